"""From pictures to vectors: a featuriser in batches, through the feature cache."""

import numpy as np

from stages.index.conditional.pages import HELD, Bounded, Budget
from stages.preprocess.store import Everything
from stages.runtime import Answers, Network
from stages.train import features
from stages.train.features import Cache, Positions

PROBES = 4


def dimension(network: Network) -> int:
    """Return how many features a picture has."""
    size = network.contract["size"]
    return int(network.run(np.zeros((1, size, size, 3), np.uint8)).shape[1])


def vectors(network: Network, everything: Everything) -> Bounded:
    """Return the features of every picture (float32, N x D, unit length), from the cache where they are."""
    noise = np.random.default_rng(0).integers(0, 256, (PROBES, network.contract["size"], network.contract["size"], 3))
    home = features.home(network.contract["sha256"]["onnx"][:16], network.run(noise.astype(np.uint8)))
    images = Bounded(everything.images, Budget(HELD))

    def computed(positions: Positions) -> Answers:
        return network.run(np.ascontiguousarray(images[positions]))

    keys = features.image_keys(images[number : number + 1][0] for number in range(len(images)))
    return Bounded(Cache(home).rows(keys, computed, "features"), Budget(HELD))
