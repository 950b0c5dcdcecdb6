"""A frozen backbone's features, computed once, against the backbone in every epoch: ResNet-50, drawn pictures."""

import os
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.searching import prepare
from benchmarks.timing import Ratio, compare
from stages.backends.lightning import fit
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import LightningTrain
from stages.preprocess.store import Store

PICTURES = 120
SIZE = 96
EPOCHS = 30


def caching() -> list[Ratio]:
    """Train the breeds' head for 30 epochs both ways, and for 60; without augmentation, and as published."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["DVC_ROOT"] = home
        store = Store(prepare(Path(home), PICTURES, SIZE))
        plain, published = config(p=0.0), config()
        anew = published.model_copy(update={"augment": published.augment.model_copy(update={"num_views": 0})})
        found = [
            versus("head of a frozen backbone, 30 epochs, features cached vs not", store, plain, plain, "≥ 10", False),
            versus("the same, ten augmented views vs augmented anew", store, published, anew, "reported", False),
            versus(
                "60 epochs with cached features vs 30",
                store,
                plain.model_copy(update={"epochs": 60}),
                plain,
                "reported",
                True,
            ),
        ]
        del os.environ["DVC_ROOT"]
    return found


def config(**changes: Any) -> LightningTrain:
    """Return the breeds' training without weights from elsewhere."""
    train = validate(compose_tree(["profile=documented", "models.breeds.train.weights=none"])).models["breeds"].train
    assert isinstance(train, LightningTrain)
    return train.model_copy(update={"epochs": EPOCHS, "augment": train.augment.model_copy(update=changes)})


def versus(claim: str, store: Store, ours: LightningTrain, peer: LightningTrain, bar: str, cached: bool) -> Ratio:
    """Compare two trainings that begin with an empty cache; the peer has none unless it is `cached`."""
    unit = (PICTURES * EPOCHS, "images")
    return compare(claim, lambda: train(store, ours, True), lambda: train(store, peer, cached), unit, bar, 3)


def train(store: Store, chosen: LightningTrain, cached: bool) -> None:
    """Train as the stage does."""
    home = Path(os.environ["DVC_ROOT"])
    for folder in ("data/cache", "scratch"):
        shutil.rmtree(home / folder, ignore_errors=True)
    prepared = fit.prepare(chosen, store, [])
    with nullcontext() if cached else patch("stages.backends.lightning.fit.shared", lambda *_: None):
        fit.train(prepared, chosen, store, home / "scratch", lambda _: None)
