"""A search of four candidates against the training of one: ResNet-50, drawn pictures, nothing cached before."""

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.timing import Ratio, compare
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import Synthetic, Tree
from stages.core.context import StageContext
from stages.core.files import write_json
from stages.core.workspace import Workspace
from stages.layouts import kaggle
from stages.preprocess.pack import pack
from stages.preprocess.report import report

PICTURES = Synthetic(images=600, unlabelled=0, corrupt=0, classes=2, smallest=160, largest=240)
SIZE = 160
GRID = "{lr: [0.001, 0.01], layer_size: [256, 512]}"
SHARED = ["models.resnet50.train.freeze=all", "models.resnet50.train.epochs=5"]


def searching() -> list[Ratio]:
    """Time both where the backbone is frozen whole, and as published, where its batch normalisation trains."""
    with tempfile.TemporaryDirectory() as home:
        place = Workspace(Path(home), Path(home))
        os.environ["DVC_ROOT"] = home
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{home}/mlflow.db"
        prepare(place.root)
        frozen = versus(place, "a search of 4 with a frozen backbone vs one training", SHARED, "≥ 0.83 (1 / 1.2)", 2)
        published = versus(place, "the same as published: batch normalisation trains", [], "reported", 1)
        del os.environ["DVC_ROOT"], os.environ["MLFLOW_TRACKING_URI"]
    return [frozen, published]


def versus(place: Workspace, claim: str, values: list[str], bar: str, rounds: int) -> Ratio:
    """Return how many searches fit into the time of one training."""
    one = tree(*values, "models.resnet50.search.strategy=none")
    four = tree(*values, "models.resnet50.search.strategy=grid", f"models.resnet50.search.space={GRID}")
    return compare(claim, lambda: train(place, four), lambda: train(place, one), (1, "trainings"), bar, rounds)


def tree(*values: str) -> Tree:
    """Return the config of a short training without weights from elsewhere."""
    return validate(compose_tree(["models.resnet50.dataset=kaggle", "models.resnet50.train.weights=none", *values]))


def train(place: Workspace, config: Tree) -> None:
    """Train as the stage does, with an empty cache."""
    from stages.train.__main__ import main

    shutil.rmtree(place.root / "data" / "cache", ignore_errors=True)
    main.task(StageContext("train", config, "resnet50", place))


def prepare(root: Path, images: int = PICTURES.images, size: int = SIZE) -> Path:
    """Draw and pack the pictures; return their folder."""
    folder = root / "data" / "prepared" / "kaggle"
    folder.mkdir(parents=True)
    section = validate(compose_tree([f"datasets.kaggle.preprocess.size={size}"])).datasets["kaggle"].preprocess
    drawn = kaggle.draw(root, PICTURES.model_copy(update={"images": images}), 1)
    manifest = pack(kaggle.entries(drawn, folder / "nested"), section, folder)
    write_json(folder / "report.json", report("kaggle", "synthetic", manifest, section))
    return folder
