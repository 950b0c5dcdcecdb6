"""Packages of the models, at their documented sizes unless told otherwise, with random weights: as fast as trained."""

from pathlib import Path
from typing import Any

import numpy as np

from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import LightningTrain, Model, Tree
from stages.core.files import read_json, write_json
from stages.core.onnx_model import FILES
from stages.preprocess.store import Images, Split
from stages.train.model import Description

BREEDS = 120
ORDINARY = 180  # pixels, where the size is not the point


def documented() -> Tree:
    """Return the tree with the published values."""
    return validate(compose_tree(["profile=documented"]))


def described(tree: Tree, name: str, size: int | None = None) -> Description:
    """Return a model of the tree as if it were trained: cats and dogs, or 120 breeds; at its own size or another."""
    model = tree.models[name]
    preprocess = tree.datasets[model.dataset].preprocess
    labels = [f"breed {number:03}" for number in range(BREEDS)] if name == "breeds" else ["cat", "dog"]
    pixels, resize = size or preprocess.size, preprocess.resize
    return Description(name, model.dataset, "", labels, pixels, resize, [], model.train.model_dump(), {})


def classifier(model: Model, description: Description) -> Any:
    """Return a PyTorch model of raw pixels, as it is exported and served."""
    import torch

    from stages.backends.lightning.model import Classifier
    from stages.train.model import rebuild

    assert isinstance(model.train, LightningTrain)
    torch.manual_seed(0)
    normalize = model.train.normalize
    return Classifier(rebuild(description), normalize.mean, normalize.std).eval()


def package(home: Path, name: str = "base_cnn", size: int | None = None) -> Path:
    """Write `artifacts/packages/<name>` of a PyTorch model below a folder: what a service needs of it."""
    from stages.package.__main__ import contract
    from stages.package.onnx import export

    tree = documented()
    model, description = tree.models[name], described(tree, name, size)
    folder = home / "artifacts" / "packages" / name
    folder.mkdir(parents=True)
    export(classifier(model, description), description.size, model.package.opset, folder / FILES["fp32"])
    write_json(folder / "model.json", contract(description, model.package, "", "") | {"examples": []})
    return folder


def whole_package(home: Path, name: str) -> Path:
    """Write the same, TorchServe's archive and the int8 version with it."""
    from stages.package import torchserve
    from stages.package.quantize import quantize

    folder, tree = package(home, name), documented()
    model, description = tree.models[name], described(tree, name)
    network = classifier(model, description).network
    torchserve.archive(network, description, model.package.mar_version, folder)
    seen = Split(pictures(8, description.size), np.zeros(8, np.int64), [])
    quantize(folder / FILES["fp32"], seen, np.arange(8), folder / FILES["int8"])
    contract = read_json(folder / "model.json")
    write_json(folder / "model.json", contract | {"int8": {"file": FILES["int8"]}})
    return folder


def pictures(count: int, size: int) -> Images:
    """Return random pictures (uint8, N x size x size x 3)."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
