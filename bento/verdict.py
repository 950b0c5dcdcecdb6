"""What a model says of one picture, and what it saw; made in the desk's threads."""

import base64
import io
import time
from dataclasses import dataclass
from typing import Any

from PIL import Image

from bento.model import Model
from stages.core.image import Pixels

SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """Every label with its probability, the most probable first; `seen` is a data URL, empty where none was asked."""

    model: str
    ranked: dict[str, float]
    sure: float
    size: int
    milliseconds: float
    seen: str

    @property
    def best(self) -> str:
        """The most probable label."""
        return next(iter(self.ranked))

    @property
    def determined(self) -> bool:
        """Whether the most probable label is probable enough to be named."""
        return self.ranked[self.best] >= self.sure

    @property
    def top(self) -> list[tuple[str, float]]:
        """The labels that a page shows."""
        return list(self.ranked.items())[:SHOWN]

    @property
    def record(self) -> dict[str, Any]:
        """The same for a program."""
        labels = [{"label": label, "probability": probability} for label, probability in self.ranked.items()]
        return {"model": self.model, "determined": self.determined, "labels": labels}


def look(model: Model, picture: bytes, sure: float, seen: bool) -> Verdict:
    """Decode a picture and ask the model; with `seen` the verdict holds the pixels, too."""
    start = time.perf_counter()
    pixels = model.decode(picture)
    ranked = model.rank_labels(model.run(pixels[None])[0])
    took = (time.perf_counter() - start) * 1000
    return Verdict(model.name, ranked, sure, len(pixels), took, data_url(pixels) if seen else "")


def data_url(pixels: Pixels) -> str:
    """Return pixels as a PNG inside a URL."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
