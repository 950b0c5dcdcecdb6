"""Drawn pictures for the benchmark of a GPU: as JPEG files, a folder for each class, and as a packed store."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import archive
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.core.files import write_json
from stages.layouts import kaggle
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from stages.preprocess.store import Split, Store

WIDTH, HEIGHT = 500, 375
STORE = "store"


@dataclass(frozen=True)
class Pictures:
    """A store in `store/` of a folder, and in `images/` the files that it was packed from."""

    folder: Path
    size: int

    @property
    def store(self) -> Store:
        """The packed store."""
        return Store(self.folder / STORE)

    @property
    def train(self) -> Split:
        """The training split."""
        return self.store.split("train")

    @property
    def val(self) -> Split:
        """The validation split."""
        return self.store.split("val")


def draw(folder: Path, images: int, size: int) -> Pictures:
    """Draw pictures of cats and dogs and prepare them as the preprocess stage does."""
    raw = archive(folder, images, WIDTH, HEIGHT)
    words = ["profile=documented", f"datasets.kaggle.preprocess.size={size}"]
    section = validate(compose_tree(words)).datasets["kaggle"].preprocess
    store = folder / STORE
    store.mkdir()
    manifest = pack(kaggle.entries(raw, folder / "nested"), section, store)
    write_json(store / "report.json", report("kaggle", "synthetic", manifest, section))
    return Pictures(folder, size)
