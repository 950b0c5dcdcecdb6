"""Packages of the models at their documented sizes, with random weights: what does not change how fast they are."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stages.config import compose, typed
from stages.files import write_json
from stages.preprocess.store import Images, Split
from stages.runtime import FILES
from stages.schema import Lightning, Model, Tree
from stages.train.model import Description

BREEDS = 120


def documented() -> Tree:
    """Return the tree with the published values."""
    return typed(compose(["profile=documented"]))


def described(tree: Tree, name: str) -> Description:
    """Return a model of the tree as if it were trained: cats and dogs, or 120 breeds."""
    model = tree.models[name]
    preprocess = tree.datasets[model.dataset].preprocess
    labels = [f"breed {number:03}" for number in range(BREEDS)] if name == "breeds" else ["cat", "dog"]
    size, resize = preprocess.size, preprocess.resize
    return Description(name, model.dataset, "", labels, size, resize, [], asdict(model.train), {})


def classifier(model: Model, description: Description) -> Any:
    """Return a PyTorch model of raw pixels, as it is exported and served."""
    import torch

    from stages.train.lightning.model import Classifier
    from stages.train.model import rebuild

    assert isinstance(model.train, Lightning)
    torch.manual_seed(0)
    normalize = model.train.normalize
    return Classifier(rebuild(description), normalize.mean, normalize.std).eval()


def package(home: Path, name: str) -> Path:
    """Write `artifacts/packages/<name>` of a PyTorch model below a folder: ONNX, int8, contract, `.mar`."""
    from stages.package import torchserve
    from stages.package.__main__ import contract
    from stages.package.onnx import export
    from stages.package.quantize import quantize

    tree = documented()
    model, description = tree.models[name], described(tree, name)
    folder = home / "artifacts" / "packages" / name
    folder.mkdir(parents=True)
    whole = classifier(model, description)
    export(whole, description.size, model.package.opset, folder / FILES["fp32"])
    torchserve.archive(whole.network, description, model.package.mar_version, folder)
    seen = Split(pictures(8, description.size), np.zeros(8, np.int64), [])
    quantize(folder / FILES["fp32"], seen, np.arange(8), folder / FILES["int8"])
    served = {"examples": [], "int8": {"file": FILES["int8"]}}
    write_json(folder / "model.json", contract(description, model.package, "", "") | served)
    return folder


def pictures(count: int, size: int) -> Images:
    """Return random pictures (uint8, N x size x size x 3)."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
