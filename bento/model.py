"""A packaged classifier: encoded pictures in, probabilities out."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bento.examples import read_examples
from stages.preprocess.decode import MAX_PIXELS, Pixels, TooLarge, Undecodable, header
from stages.runtime import Answers, Network

Probabilities = Answers
TOGETHER = 4  # pictures of the largest size in one request


class Model(Network):
    """A package whose network tells classes apart: `run` returns the probability of each (N x C)."""

    def __init__(self, folder: Path, threads: int = 0, max_pixels: int = MAX_PIXELS, precision: str = "fp32") -> None:
        super().__init__(folder, threads, max_pixels, precision)
        self.labels: list[str] = self.contract["labels"]
        self.examples = read_examples(folder, self.contract.get("examples", []))

    def predict(self, pictures: list[bytes]) -> Probabilities:
        """Return the probability of every class (N x C) of encoded pictures, computed as one batch."""
        if len(pictures) == 1:
            return self.run(self.decode(pictures[0])[None])
        self.weigh(pictures)
        return self.run(np.stack([self.decode(picture) for picture in pictures]))

    def predict_each(self, pictures: Iterable[bytes | Undecodable]) -> list[Probabilities | Undecodable]:
        """Return for each encoded picture its probabilities (C), or why there are none; computed as one batch."""
        pictures = list(pictures)
        self.weigh(pictures)
        decoded = [self.decoded_or_why(picture) for picture in pictures]
        good = [found for found in decoded if not isinstance(found, Undecodable)]
        rows = iter(self.run(np.stack(good)) if good else ())
        return [found if isinstance(found, Undecodable) else next(rows) for found in decoded]

    def weigh(self, pictures: Iterable[bytes | Undecodable]) -> None:
        """Raise TooLarge if the pictures, by their headers, would hold up everybody else for too long."""
        total = sum(pixels_of(picture) for picture in pictures)
        if total > TOGETHER * self.max_pixels:
            most = TOGETHER * self.max_pixels / 1e6
            raise TooLarge(
                f"{total / 1e6:.0f} megapixels in one request, more than {most:g}; send fewer pictures at once"
            )

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


def pixels_of(picture: bytes | Undecodable) -> int:
    """Return how many pixels a picture has by its header; none where it will not be decoded."""
    if isinstance(picture, Undecodable):
        return 0
    try:
        image = header(picture)
    except Undecodable:
        return 0
    return image.width * image.height
