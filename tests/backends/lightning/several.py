"""Run as one of two processes, or alone: train in several ways; the first writes what came of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.backends.lightning import prepare, train
from stages.backends.lightning.hardware import device
from stages.config.schema import LightningTrain
from stages.core.console import console
from stages.core.distributed import read_dist_env
from stages.core.files import write_json
from stages.preprocess.store import Split, Store
from stages.train.group import joined
from stages.train.history import Trained
from tests.conftest import replace, tree

PLUGINS = ["tests.own.plain"]
BREEDS = tree().models["breeds"].train
assert isinstance(BREEDS, LightningTrain)
AUGMENT = replace(BREEDS.augment, p=0.8, num_views=0)
PLAIN = replace(BREEDS, network={"name": "plain"}, freeze="none", epochs=3, augment=AUGMENT, schedule="cosine")
HEAD = replace(BREEDS, network={"name": "resnet50", "layer_size": 0}, epochs=2)
CONFIGS = {
    "uneven": replace(PLAIN, batch_size=7),
    "tiny last batch": replace(PLAIN, batch_size=22, augment=BREEDS.augment),
    "accumulate": replace(PLAIN, accumulate_grad_batches=2, gradient_clip_norm=0.5, ema=0.5),
    "frozen": replace(HEAD, augment=AUGMENT),
    "features": HEAD,
}


def fit(store: Store, scratch: Path, config: LightningTrain) -> Trained:
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
            trained = fit(store, scratch / name, replace(config, devices=read_dist_env().world_size))
            weights = [float(value.double().square().sum()) for value in trained.network.state_dict().values()]
            found[name] = {"rows": trained.history, "weights": weights}
    return found | {"copied": any(copied), "device": str(device(PLAIN)), "threads": torch.get_num_threads()}


def main(store: Path, out: Path) -> None:
    """Train, in the group of all processes."""
    console.quiet = not read_dist_env().is_main
    with joined(PLAIN):
        found = results(Store(store), out / "scratch")
    write_json(out / f"{read_dist_env().rank}.json", found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
