"""A packaged network in ONNX Runtime. It travels with the services, so it needs ONNX Runtime, Pillow and NumPy only."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from stages.core.image import MAX_PIXELS, Pixels, TooLarge, Undecodable, header, pixels

FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
VERSIONS = {"fp32": "1", "int8": "2"}
Outputs = npt.NDArray[np.float32]


def create_session(file: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Opens an ONNX file on the CPU; with 0 threads it uses one for each core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def read_metadata(folder: Path) -> dict[str, Any]:
    """Reads a package's model.json."""
    metadata: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return metadata


def list_precisions(folder: Path) -> list[str]:
    """Lists the precisions that a package holds, fp32 first, which it always does."""
    return [name for name in FILES if name == "fp32" or name in read_metadata(folder)]


class OnnxModel:
    """A package and its ONNX Runtime session; safe to call from several threads.

    Args:
        folder: The package.
        threads: Threads for one call; 0 for one on each core.
        max_pixels: Larger images are refused before they are decoded.
        precision: Which file of the package to open, one of `FILES`.
    """

    def __init__(self, folder: Path, threads: int = 0, max_pixels: int = MAX_PIXELS, precision: str = "fp32") -> None:
        self.metadata = read_metadata(folder)
        self.name: str = self.metadata["name"]
        self.version = VERSIONS[precision]
        self.max_pixels = max_pixels
        self._session = create_session(folder / FILES[precision], threads)
        self._input: str = self.metadata["input"]["name"]
        self._output: str = self.metadata["output"]["name"]

    def decode(self, data: bytes) -> Pixels:
        """Decodes an image to the network's size, H x W x 3.

        Raises:
            Undecodable: The data is broken, not an image, or too large.
        """
        return pixels(data, self.metadata["size"], self.metadata["resize"], self.max_pixels)

    def run(self, images: Pixels) -> Outputs:
        """Computes the network's output, N x …, for raw pixels, N x H x W x 3."""
        outputs: Outputs = self._session.run([self._output], {self._input: images})[0]
        return outputs


class OnnxClassifier(OnnxModel):
    """A package whose network tells classes apart: `run` computes probabilities, N x C.

    Args:
        folder, threads, max_pixels, precision: See `OnnxModel`.
        max_total_pixels: A batch of more pixels is refused before any image is decoded; None sets no limit.
    """

    def __init__(
        self,
        folder: Path,
        threads: int = 0,
        max_pixels: int = MAX_PIXELS,
        precision: str = "fp32",
        max_total_pixels: int | None = None,
    ) -> None:
        super().__init__(folder, threads, max_pixels, precision)
        self.labels: list[str] = self.metadata["labels"]
        self.max_total_pixels = max_total_pixels

    def predict(self, images: list[bytes]) -> Outputs:
        """Computes the probabilities, N x C, of encoded images as one batch.

        Raises:
            Undecodable: An image is broken, not an image, or too large, or all of them together are.
        """
        if len(images) > 1:
            self.check_total_pixels(images)
        return self.run(np.stack([self.decode(image) for image in images]))

    def predict_each(self, images: Iterable[bytes | Undecodable]) -> list[Outputs | Undecodable]:
        """Computes the probabilities of encoded images as one batch, leaving out those that cannot be decoded.

        Args:
            images: Encoded images; an error stands for one that could not even be read, and is passed on.

        Returns:
            For each image its probabilities (C), or the reason why there are none.

        Raises:
            TooLarge: All images together have more than `max_total_pixels`.
        """
        images = list(images)
        self.check_total_pixels(images)
        decoded = [self._try_decode(image) for image in images]
        readable = [image for image in decoded if not isinstance(image, Undecodable)]
        rows = iter(self.run(np.stack(readable)) if readable else ())
        return [image if isinstance(image, Undecodable) else next(rows) for image in decoded]

    def check_total_pixels(self, images: Iterable[bytes | Undecodable]) -> None:
        """Checks, by their headers, that the images of a batch are not too large together.

        Raises:
            TooLarge: They have more than `max_total_pixels`.
        """
        if self.max_total_pixels is None:
            return
        total = sum(map(_count_pixels, images))
        if total > self.max_total_pixels:
            most = self.max_total_pixels / 1e6
            raise TooLarge(
                f"{total / 1e6:.0f} megapixels in one request, more than {most:g}; send fewer pictures at once"
            )

    def rank_labels(self, probabilities: Outputs) -> dict[str, float]:
        """Maps every label to its probability, the most probable first."""
        order = np.argsort(-probabilities, kind="stable")
        return {self.labels[i]: float(probabilities[i]) for i in order}

    def _try_decode(self, image: bytes | Undecodable) -> Pixels | Undecodable:
        if isinstance(image, Undecodable):
            return image
        try:
            return self.decode(image)
        except Undecodable as error:
            # A new one: the traceback of this one would keep the broken image in memory, at its full size.
            return type(error)(str(error))


def _count_pixels(image: bytes | Undecodable) -> int:
    """Counts an image's pixels by its header; none if it will not be decoded."""
    try:
        opened = None if isinstance(image, Undecodable) else header(image)
    except Undecodable:
        opened = None
    return opened.width * opened.height if opened else 0
