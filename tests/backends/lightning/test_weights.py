import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from stages.backends.lightning.weights import initialise, take
from stages.core.errors import UserError
from stages.core.registry import NETWORKS, load_module
from stages.networks import base_cnn, vgg19
from stages.train.model import build

VGG = {"name": "vgg19"}


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path("/tmp/bestiary-canary").touch, ())


def test_none_starts_fresh() -> None:
    network = build("lightning", VGG, 2, 32, [])
    assert initialise(network, "none", vgg19) == 0


def test_the_published_state_dict_of_a_whole_network_is_taken(tmp_path: Path) -> None:
    network = build("lightning", {"name": "base_cnn"}, 2, 48, [])
    torch.save(network.state_dict(), tmp_path / "model_base_cnn.pth")
    other = build("lightning", {"name": "base_cnn"}, 2, 48, [])
    assert initialise(other, str(tmp_path / "model_base_cnn.pth"), base_cnn) == len(network.state_dict())
    assert torch.equal(other.state_dict()["fc2.weight"], network.state_dict()["fc2.weight"])


def test_a_librarys_state_dict_goes_to_the_backbone(tmp_path: Path) -> None:
    source = {
        name: value + 1 for name, value in vgg19.backbone(build("lightning", VGG, 2, 32, [])).state_dict().items()
    }
    save_file(
        {name: value for name, value in source.items() if name.startswith("features")}, tmp_path / "w.safetensors"
    )
    network = build("lightning", VGG, 3, 32, [])
    assert initialise(network, str(tmp_path / "w.safetensors"), vgg19) > 90
    assert torch.equal(vgg19.backbone(network).state_dict()["features.0.weight"], source["features.0.weight"])


def test_imagenet_without_network_says_which_file_to_place_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(UserError, match=r"place vgg19_bn-c79401a0\.pth .* in .*checkpoints"):
        initialise(build("lightning", VGG, 2, 32, []), "imagenet", vgg19)


def test_a_network_without_imagenet_weights_says_so() -> None:
    with pytest.raises(UserError, match="network base_cnn: there are no ImageNet weights"):
        initialise(
            build("lightning", {"name": "base_cnn"}, 2, 48, []),
            "imagenet",
            load_module(NETWORKS["lightning"], "base_cnn", []),
        )


def test_weights_that_fit_nothing_are_refused() -> None:
    with pytest.raises(UserError, match="no tensor fits the network"):
        take(build("lightning", {"name": "base_cnn"}, 2, 48, []), {"stem.weight": torch.zeros(1)}, "x.pth")


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"\x80\x02not a pickle", b""])
def test_no_pickle_is_ever_run(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "evil.pth"
    file.write_bytes(content)
    with pytest.raises(UserError, match="not a plain state dict"):
        initialise(build("lightning", {"name": "base_cnn"}, 2, 48, []), str(file), base_cnn)
    assert not Path("/tmp/bestiary-canary").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*gone\.pth; say none, imagenet, or a path"):
        initialise(build("lightning", {"name": "base_cnn"}, 2, 48, []), str(tmp_path / "gone.pth"), base_cnn)
