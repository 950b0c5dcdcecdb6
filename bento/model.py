"""A packaged model: encoded pictures in, probabilities out."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from bento.examples import read_examples
from stages.preprocess.decode import MAX_PIXELS, Pixels, Undecodable, pixels

Probabilities = npt.NDArray[np.float32]


class Model:
    """One package and its ONNX Runtime session; safe to call from several threads."""

    def __init__(self, folder: Path, threads: int = 0, max_pixels: int = MAX_PIXELS) -> None:
        self.contract: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.name: str = self.contract["name"]
        self.labels: list[str] = self.contract["labels"]
        self.examples = read_examples(folder, self.contract.get("examples", []))
        self.max_pixels = max_pixels
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._input: str = self.contract["input"]["name"]
        self._output: str = self.contract["output"]["name"]

    def decode(self, data: bytes) -> Pixels:
        """Return an encoded picture at the model's size (uint8, H x W x 3), or raise Undecodable."""
        return pixels(data, self.contract["size"], self.contract["resize"], self.max_pixels)

    def run(self, images: Pixels) -> Probabilities:
        """Return the probability of every class (N x C) of raw pixels (uint8, N x H x W x 3)."""
        answer: Probabilities = self._session.run([self._output], {self._input: images})[0]
        return answer

    def predict(self, pictures: list[bytes]) -> Probabilities:
        """Return the probability of every class (N x C) of encoded pictures, computed as one batch."""
        if len(pictures) == 1:
            return self.run(self.decode(pictures[0])[None])
        return self.run(np.stack([self.decode(picture) for picture in pictures]))

    def predict_each(self, pictures: Iterable[bytes | Undecodable]) -> list[Probabilities | Undecodable]:
        """Return for each encoded picture its probabilities (C), or why there are none; computed as one batch."""
        decoded = [self.decoded_or_why(picture) for picture in pictures]
        good = [found for found in decoded if not isinstance(found, Undecodable)]
        rows = iter(self.run(np.stack(good)) if good else ())
        return [found if isinstance(found, Undecodable) else next(rows) for found in decoded]

    def decoded_or_why(self, picture: bytes | Undecodable) -> Pixels | Undecodable:
        """Return a picture's pixels, or why there are none, which may be known before."""
        if isinstance(picture, Undecodable):
            return picture
        try:
            return self.decode(picture)
        except Undecodable as error:
            # A new one: the traceback of this one would keep the broken picture in memory, at its full size.
            return type(error)(str(error))

    def ranked(self, probabilities: npt.NDArray[np.float32]) -> dict[str, float]:
        """Return label → probability of one row, the most probable first."""
        order = np.argsort(-probabilities, kind="stable")
        return {self.labels[i]: float(probabilities[i]) for i in order}
