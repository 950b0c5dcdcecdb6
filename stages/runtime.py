"""A packaged network in ONNX Runtime: raw pixels in, what it says of them out. Needs Pillow and NumPy beside."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from stages.preprocess.decode import MAX_PIXELS, Pixels, pixels

FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
VERSIONS = {"fp32": "1", "int8": "2"}
Answers = npt.NDArray[np.float32]


def session(file: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU; 0 threads are one for each core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def contract(folder: Path) -> dict[str, Any]:
    """Read what a package says of itself."""
    found: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return found


def precisions(folder: Path) -> list[str]:
    """Return in which precisions a package answers: always fp32, first."""
    return [name for name in FILES if name == "fp32" or name in contract(folder)]


class Network:
    """One package and its ONNX Runtime session; safe to call from several threads."""

    def __init__(self, folder: Path, threads: int = 0, max_pixels: int = MAX_PIXELS, precision: str = "fp32") -> None:
        self.contract: dict[str, Any] = contract(folder)
        self.name: str = self.contract["name"]
        self.version = VERSIONS[precision]
        self.max_pixels = max_pixels
        self._session = session(folder / FILES[precision], threads)
        self._input: str = self.contract["input"]["name"]
        self._output: str = self.contract["output"]["name"]

    def decode(self, data: bytes) -> Pixels:
        """Return an encoded picture at the network's size (uint8, H x W x 3), or raise Undecodable."""
        return pixels(data, self.contract["size"], self.contract["resize"], self.max_pixels)

    def run(self, images: Pixels) -> Answers:
        """Return what the network says (float32, N x …) of raw pixels (uint8, N x H x W x 3)."""
        answer: Answers = self._session.run([self._output], {self._input: images})[0]
        return answer
