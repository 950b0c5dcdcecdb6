"""A trained network's answers for a whole split; what its frozen part says comes from the feature cache."""

from pathlib import Path

import torch

from stages.backends.base import SplitPredictor, by_part
from stages.backends.lightning.features import Backbone, Seen, backbone
from stages.backends.lightning.frozen import freeze, head_of
from stages.backends.lightning.model import Input, native, restore
from stages.core.registry import NETWORKS, load_module
from stages.preprocess.store import Split
from stages.train.model import Description, Probabilities


def tester(folder: Path, description: Description, split: Split) -> SplitPredictor:
    """Return a function from a part of the split to probabilities (N x C)."""
    found = frozen_part(folder, description)
    if found is None:
        return by_part(native(folder, description), split)
    rows = found.features(Seen(split), "features of test")

    def answer(part: slice) -> Probabilities:
        with torch.inference_mode():
            probabilities: Probabilities = found.head(torch.from_numpy(rows[part])).softmax(dim=1).numpy()
        return probabilities

    return answer


def frozen_part(folder: Path, description: Description) -> Backbone | None:
    """Return a trained network up to its head where the head alone was trained, else None."""
    config = description.config
    network = restore(folder, description)
    module = load_module(NETWORKS[description.framework], str(description.network["name"]), description.plugins)
    freeze(network, config["freeze"], head_of(module))
    entry = Input(config["normalize"]["mean"], config["normalize"]["std"])
    return backbone(network, module, entry, description.size)
