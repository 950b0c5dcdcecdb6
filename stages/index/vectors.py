"""From pictures to vectors: a featuriser in batches, through the feature cache."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.arrays import Indices
from stages.core.concurrency import Executor, LocalExecutor
from stages.core.onnx_model import OnnxModel, Outputs
from stages.index.conditional.pages import HELD, Bounded, Budget
from stages.preprocess.store import Everything
from stages.train import features
from stages.train.features import Cache

PROBES = 4


@dataclass(frozen=True)
class Featuriser:
    """A featuriser and the pictures it is asked about by number.

    A session has one thread: so batches are computed side by side, and none depends on how many threads there are.
    """

    folder: Path
    images: Any = field(compare=False)

    @cached_property
    def network(self) -> OnnxModel:
        """The featuriser, opened in each process that computes."""
        return OnnxModel(self.folder, threads=1)

    @cached_property
    def seen(self) -> Bounded:
        """The pictures, of which no more stay in memory than pass through it."""
        return Bounded(self.images, Budget(HELD))

    def __call__(self, positions: Indices) -> Outputs:
        """Return the features (float32, N x D) of pictures."""
        return self.network.run(np.ascontiguousarray(self.seen[positions]))

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "images": self.images}


def dimension(featuriser: Path) -> int:
    """Return how many features a picture has."""
    network = OnnxModel(featuriser)
    size = network.metadata["size"]
    return int(network.run(np.zeros((1, size, size, 3), np.uint8)).shape[1])


def vectors(featuriser: Path, everything: Everything, engine: Executor | None = None) -> Bounded:
    """Return the features of every picture (float32, N x D, unit length), from the cache where they are."""
    found = Featuriser(featuriser, everything.images)
    contract = found.network.metadata
    noise = np.random.default_rng(0).integers(0, 256, (PROBES, contract["size"], contract["size"], 3))
    probe = found.network.run(noise.astype(np.uint8))
    home = features.home(contract["sha256"]["onnx"][:16], probe)
    keys = features.image_keys(found.seen[number : number + 1][0] for number in range(len(everything)))
    rows = Cache(home, probe.shape[1]).rows(keys, found, "features", engine or LocalExecutor())
    return Bounded(rows, Budget(HELD))
