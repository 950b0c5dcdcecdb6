"""Run as one of two processes, or alone: train in several ways; the first writes what came of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.console import console
from stages.files import write_json
from stages.preprocess.store import Split, Store
from stages.ranks import rank
from stages.schema import Lightning
from stages.train.group import joined
from stages.train.history import Trained
from stages.train.lightning import prepare, train
from stages.train.lightning.hardware import device
from tests.conftest import tree

PLUGINS = ["tests.own.plain"]
BREEDS = tree().models["breeds"].train
assert isinstance(BREEDS, Lightning)
AUGMENT = replace(BREEDS.augment, p=0.8, views=0)
PLAIN = replace(BREEDS, network={"name": "plain"}, freeze="none", epochs=3, augment=AUGMENT, schedule="cosine")
HEAD = replace(BREEDS, network={"name": "resnet50", "layer_size": 0}, epochs=2)
CONFIGS = {
    "uneven": replace(PLAIN, batch_size=7),
    "tiny last batch": replace(PLAIN, batch_size=22, augment=BREEDS.augment),
    "accumulate": replace(PLAIN, accumulate=2, clip=0.5, ema=0.5),
    "frozen": replace(HEAD, augment=AUGMENT),
    "features": HEAD,
}


def fit(store: Store, scratch: Path, config: Lightning) -> Trained:
    """Train."""
    return train(prepare(config, store, PLUGINS), config, store, scratch, lambda _: None)


@contextmanager
def opened_not_copied() -> Iterator[list[bool]]:
    """Watch whether the images of a split that is opened lie in this process's memory."""
    seen: list[bool] = []
    plain = Store.split

    def split(store: Store, name: str) -> Split:
        found = plain(store, name)
        seen.append(type(found.images) is np.ndarray)
        return found

    Store.split = split  # type: ignore[method-assign]
    yield seen
    Store.split = plain  # type: ignore[method-assign]


def results(store: Store, scratch: Path) -> dict[str, Any]:
    """Train in each of the ways; return the rows of each, and the weights' sums of squares."""
    found: dict[str, Any] = {}
    with opened_not_copied() as copied:
        for name, config in CONFIGS.items():
            trained = fit(store, scratch / name, replace(config, devices=rank().size))
            weights = [float(value.double().square().sum()) for value in trained.network.state_dict().values()]
            found[name] = {"rows": trained.history, "weights": weights}
    return found | {"copied": any(copied), "device": str(device(PLAIN)), "threads": torch.get_num_threads()}


def main(store: Path, out: Path) -> None:
    """Train, in the group of all processes."""
    console.quiet = not rank().leads
    with joined(PLAIN):
        found = results(Store(store), out / "scratch")
    write_json(out / f"{rank().number}.json", found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
