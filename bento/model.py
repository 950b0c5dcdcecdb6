"""A classifier as the services open it: with a limit on what one request may hold, and with example pictures."""

from pathlib import Path

from bento.examples import read_examples
from stages.core.image import MAX_PIXELS
from stages.core.onnx_model import OnnxClassifier

LARGEST_PICTURES = 4  # how many pictures of the largest size one request may hold


class Model(OnnxClassifier):
    """A packaged classifier and the pictures that its page offers to try."""

    def __init__(self, folder: Path, threads: int = 0, max_pixels: int = MAX_PIXELS, precision: str = "fp32") -> None:
        super().__init__(folder, threads, max_pixels, precision, max_total_pixels=LARGEST_PICTURES * max_pixels)
        self.examples = read_examples(folder, self.metadata.get("examples", []))
