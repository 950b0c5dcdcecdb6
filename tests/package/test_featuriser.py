from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stages.config.schema import Features, Normalize
from stages.core.errors import UserError
from stages.package.cut.lightning import Featuriser, featuriser
from stages.package.cut.source import Source, of_model, of_network
from stages.package.onnx import ask, export
from tests.conftest import replace

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RESNET = Source("lightning", {"name": "resnet50"}, "none", "pool", MEAN, STD, 64, 3, [])
FEATURES = Features(
    network="resnet50", weights="none", layer="pool", normalize=Normalize(mean=MEAN, std=STD), seed=3, opset=20,
    parity_images=4, parity=1e-5, code="",
)  # fmt: skip


def pictures(count: int = 3, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def ask_torch(network: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = network(torch.from_numpy(images)).numpy()
    return found


def test_pool_is_what_the_head_is_given_at_unit_length(tmp_path: Path) -> None:
    network = featuriser(RESNET)
    found = ask_torch(network, pictures())
    assert found.shape == (3, 2048)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    export(network, 64, 20, tmp_path / "model.onnx", "features")
    assert np.abs(ask(tmp_path / "model.onnx", pictures(), "features") - found).max() < 1e-5


def test_it_is_the_published_network_up_to_there() -> None:
    torch.manual_seed(3)
    whole = RESNET.build().eval()
    seen = []
    whole.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        whole((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    expected = nn.functional.normalize(seen[0]).numpy()
    assert np.abs(ask_torch(featuriser(RESNET), pictures()) - expected).max() < 1e-6


def test_a_layer_by_name_is_averaged_over_positions() -> None:
    found = featuriser(replace(RESNET, layer="layer2"))
    assert isinstance(found, Featuriser)
    assert ask_torch(found, pictures()).shape == (3, 512)


def test_an_unknown_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"features.layer: unknown name 'layr2'; did you mean layer2\?"):
        featuriser(replace(RESNET, layer="layr2"))


def test_random_weights_follow_the_seed() -> None:
    one, same = (ask_torch(featuriser(RESNET), pictures()) for _ in range(2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, ask_torch(featuriser(replace(RESNET, seed=4)), pictures()))


def test_a_networks_file_says_which_framework_it_is_of() -> None:
    assert of_network(FEATURES, 64, []).framework == "lightning"
    assert of_network(replace(FEATURES, network="keras_resnet50"), 64, []).framework == "keras"


def test_a_trained_model_featurises_what_it_was_trained_on(trained: Path) -> None:
    source = of_model(replace(FEATURES, network="base_cnn", weights="trained"), trained, 48, "kaggle")
    assert ask_torch(featuriser(source), pictures(size=48)).shape == (3, 100)


def test_a_trained_model_refuses_pictures_of_another_size(trained: Path) -> None:
    with pytest.raises(UserError, match=r"base_cnn was trained on pictures of 48 pixels.*kaggle\.preprocess\.size=48"):
        of_model(replace(FEATURES, weights="trained"), trained, 64, "kaggle")


def test_a_layer_that_is_called_several_times_is_refused() -> None:
    with pytest.raises(UserError, match=r"layer4\.2\.relu is called 3 times; name the layer that holds it, layer4\.2"):
        featuriser(replace(RESNET, layer="layer4.2.relu"))


def test_weights_that_fill_a_part_only_are_refused(tmp_path: Path) -> None:
    state = RESNET.build().state_dict()
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith("fc.")}, tmp_path / "whole.pth")
    featuriser(replace(RESNET, weights=str(tmp_path / "whole.pth")))
    torch.save({name: tensor for name, tensor in state.items() if "layer4" not in name}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"leaves 10 tensors of resnet50 at random, layer4\.0\.conv1\.weight"):
        featuriser(replace(RESNET, weights=str(tmp_path / "part.pth")))
