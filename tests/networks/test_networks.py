import ast

import pytest
import torch

from stages.core.errors import UserError
from stages.core.registry import NETWORKS, find_source, list_modules
from stages.train.model import build


def names(network: dict[str, object], size: int = 64) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in build("lightning", network, 2, size, []).state_dict().items()}


def test_base_cnn_has_the_published_names_and_shapes() -> None:
    found = names({"name": "base_cnn"}, 224)
    assert found["conv_block1.conv.weight"] == (64, 3, 3, 3)
    assert found["conv_block4.batch_norm.running_mean"] == (512,)
    assert found["fc_block1.fc.weight"] == (100, 12 * 12 * 512)
    assert found["fc2.weight"] == (2, 100)


def test_vgg19_has_the_published_names_and_shapes() -> None:
    found = names({"name": "vgg19"})
    assert found["pretrained_model.features.0.weight"] == (64, 3, 3, 3)
    assert found["pretrained_model.classifier.fc1.weight"] == (1028, 25088)
    assert found["pretrained_model.classifier.fc2.weight"] == (512, 1028)
    assert found["pretrained_model.classifier.fc3.weight"] == (2, 512)


@pytest.mark.parametrize("size", [48, 64, 96])
def test_size_reaches_the_network(size: int) -> None:
    network = build("lightning", {"name": "base_cnn", "dropout": 0.0}, 5, size, []).eval()
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 5)


def test_pictures_that_are_too_small_are_refused() -> None:
    with pytest.raises(UserError, match="pictures of 32 pixels are too small for base_cnn; it needs 46"):
        build("lightning", {"name": "base_cnn"}, 2, 32, [])


@pytest.mark.parametrize("module", [module for kind in NETWORKS.values() for module in list_modules(kind, []).values()])
def test_a_network_file_imports_nothing_of_the_project(module: str) -> None:
    tree = ast.parse(find_source(module).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(name and name.startswith(("stages", "bento")) for name in imported)
