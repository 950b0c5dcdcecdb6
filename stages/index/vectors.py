"""From pictures to vectors: a featuriser in batches, through the feature cache."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stages.engine import Engine, Local
from stages.preprocess.store import Everything
from stages.runtime import Answers, Network
from stages.shards import Numbers, Sharded
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
    def network(self) -> Network:
        """The featuriser, opened in each process that computes."""
        return Network(self.folder, threads=1)

    def __call__(self, positions: Numbers) -> Answers:
        """Return the features (float32, N x D) of pictures."""
        return self.network.run(np.ascontiguousarray(self.images[positions]))

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "images": self.images}


def vectors(featuriser: Path, everything: Everything, engine: Engine | None = None) -> Sharded:
    """Return the features of every picture (float32, N x D, unit length), from the cache where they are."""
    found = Featuriser(featuriser, everything.images)
    contract = found.network.contract
    noise = np.random.default_rng(0).integers(0, 256, (PROBES, contract["size"], contract["size"], 3))
    probe = found.network.run(noise.astype(np.uint8))
    home = features.home(contract["sha256"]["onnx"][:16], probe)
    keys = features.image_keys(everything.images)
    return Cache(home, probe.shape[1]).rows(keys, found, "features", engine or Local())
