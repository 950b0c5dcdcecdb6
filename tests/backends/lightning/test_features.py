"""A frozen backbone's features, shown with a user's own network, which the project does not know."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import squeezenet1_0

from stages.backends.lightning import answers, features, fit, model
from stages.config.schema import Augment, LightningTrain
from stages.preprocess.store import Store
from stages.train.features import HOME
from stages.train.model import save
from tests.conftest import ROOT, described, replace, tree

OWN = ROOT / "tests" / "own"
CHANGES = Augment(
    p=0.5, hflip=0.5, rotation=30.0, crop=0.3, ratio=1.33, brightness=0.4, contrast=0.4, perspective=0.3,
    perspective_p=0.2, num_views=2,
)  # fmt: skip


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LightningTrain:
    """Return the training of SqueezeNet on weights from a file, as a user's own model."""
    monkeypatch.syspath_prepend(OWN)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    torch.manual_seed(3)
    torch.save(squeezenet1_0(weights=None).state_dict(), tmp_path / "imagenet.pth")
    train = tree().models["base_cnn"].train
    assert isinstance(train, LightningTrain)
    network = {"name": "squeezenet", "dropout": 0.2}
    return replace(train, network=network, weights="imagenet.pth", freeze="all", epochs=3, lr=1e-2)


def trained(config: LightningTrain, store: Store, scratch: Path) -> torch.nn.Module:
    prepared = fit.prepare(config, store, ["squeezenet"])
    found = fit.train(prepared, config, store, scratch, lambda _: None)
    network: torch.nn.Module = found.network
    return network


def logits(network: torch.nn.Module, store: Store, config: LightningTrain) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(store.split("test").images))
    with torch.inference_mode():
        found: torch.Tensor = network(model.Input(config.normalize.mean, config.normalize.std)(pixels))
    return found


@pytest.mark.parametrize("augmented", [False, True])
def test_training_on_features_is_training_on_pictures(
    augmented: bool, own: LightningTrain, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(prepared)
    own = replace(own, augment=CHANGES) if augmented else own
    fast = trained(own, store, tmp_path / "fast")
    monkeypatch.setattr(fit, "shared", lambda *_: None)
    slow = trained(own, store, tmp_path / "slow")
    assert torch.allclose(logits(fast, store, own), logits(slow, store, own), atol=1e-4)
    untouched = torch.load(tmp_path / "imagenet.pth", weights_only=True)
    for name, tensor in untouched.items():
        if name.startswith("features."):
            assert torch.equal(fast.state_dict()[name], tensor), name


def test_what_is_in_the_cache_is_not_computed_again(own: LightningTrain, prepared: Path, tmp_path: Path) -> None:
    store = Store(prepared)
    first = trained(own, store, tmp_path / "one")
    files = sorted((tmp_path / HOME).rglob("*.npy"))
    assert len([file for file in files if "keys" in file.name]) == 2, "train and val"
    before = [file.stat().st_mtime_ns for file in files]
    again = trained(own, store, tmp_path / "two")
    assert [file.stat().st_mtime_ns for file in files] == before
    assert torch.equal(logits(first, store, own), logits(again, store, own))


@pytest.mark.parametrize(
    ("change", "exact"),
    [
        ({}, True),
        ({"freeze": ["*", "!classifier.*", "!features.12.*"]}, False),
        ({"freeze": ["*", "!classifier.3.bias"]}, True),
        ({"freeze": "none"}, False),
        ({"augment": replace(CHANGES, num_views=0)}, False),
        ({"augment": CHANGES}, True),
    ],
)
def test_only_what_is_exact_is_shared(
    change: dict[str, object], exact: bool, own: LightningTrain, prepared: Path
) -> None:
    config = replace(own, **change)  # type: ignore[arg-type]
    store = Store(prepared)
    found = fit.prepare(config, store, ["squeezenet"])
    assert (features.shared(found.network, found.module, config, store) is not None) is exact


def test_a_network_that_goes_on_after_its_head_is_trained_whole(
    own: LightningTrain, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(prepared)
    found = fit.prepare(own, store, ["squeezenet"])
    longer = torch.nn.Sequential()
    longer.add_module("features", found.network.get_submodule("features"))
    longer.add_module("classifier", found.network.get_submodule("classifier"))
    longer.add_module("tail", torch.nn.Softmax(1))
    assert features.shared(longer, found.module, own, store) is None
    assert "classifier is not the last part of the network" in capsys.readouterr().out


GAIN = """
import torch
from torch import nn

HEAD = "head"


class Network(nn.Module):
    def __init__(self, classes, gain, dropout):
        super().__init__()
        self.gain, self.features = gain, nn.Conv2d(3, 4, 5, 5)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(4, classes)

    def forward(self, images):
        return self.head(self.dropout(self.features(images).mean((2, 3)) * self.gain))


def build(classes: int, size: int, *, gain: float = 1.0, dropout: float = 0.0) -> nn.Module:
    return Network(classes, gain, dropout)
"""


@pytest.fixture
def gained(own: LightningTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LightningTrain:
    """Return the training of a network whose frozen part has an option that no weight shows, and dropout."""
    (tmp_path / "gained.py").write_text(GAIN)
    monkeypatch.syspath_prepend(tmp_path)
    return replace(own, weights="none", network={"name": "gained"})


def sums(config: LightningTrain, store: Store) -> float:
    found = fit.prepare(config, store, ["gained"])
    backbone = features.shared(found.network, found.module, config, store)
    assert backbone is not None
    (train,), _ = features.training_features(backbone, config, store)
    return float(np.abs(train.images[:]).sum())


def test_features_of_another_network_are_not_taken_for_its_own(gained: LightningTrain, prepared: Path) -> None:
    """Weights and code are equal; what an option changes shows in the features of a few images."""
    store = Store(prepared)
    plain = sums(gained, store)
    assert sums(replace(gained, network={"name": "gained", "gain": 7.0}), store) == pytest.approx(7 * plain, rel=1e-4)
    assert sums(gained, store) == pytest.approx(plain)


def test_dropout_before_the_head_is_frozen_with_the_rest(
    gained: LightningTrain, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(prepared)
    config = replace(gained, network={"name": "gained", "dropout": 0.5})

    def head(scratch: str) -> torch.Tensor:
        found = fit.train(fit.prepare(config, store, ["gained"]), config, store, tmp_path / scratch, lambda _: None)
        weight: torch.Tensor = found.network.state_dict()["head.weight"]
        return weight

    shared = head("shared")
    monkeypatch.setattr(fit, "shared", lambda *_: None)
    assert torch.allclose(shared, head("whole"), atol=1e-5)


def test_what_the_networks_file_froze_stays_frozen(own: LightningTrain, prepared: Path) -> None:
    network = fit.prepare(own, Store(prepared), ["squeezenet"]).network
    fit.freeze(network, "none", "classifier")
    assert not any(parameter.requires_grad for parameter in network.get_submodule("features").parameters())


def test_each_view_is_computed_once_and_unchanged_ones_not_at_all(
    own: LightningTrain, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images and their changed views, whatever the number of epochs; more views keep those that there are."""
    store = Store(prepared)
    asked = counted(monkeypatch)
    count = {name: len(store.split(name)) for name in ("train", "val")}
    for run, views in enumerate((2, 2, 3)):
        config = replace(own, augment=replace(CHANGES, num_views=views), epochs=50)
        found = fit.prepare(config, store, ["squeezenet"])
        backbone = features.shared(found.network, found.module, config, store)
        assert backbone is not None
        before = sum(asked)
        train, val = features.training_features(backbone, config, store)
        assert [len(view) for view in train] == [count["train"]] * views
        assert len(val) == count["val"]
        new = sum(asked) - before
        if run == 0:
            assert 1.5 * count["train"] < new <= 2 * count["train"] + count["val"]
            assert {rows.images[:].tobytes() for rows in train} != {train[0].images[:].tobytes()}
        else:
            assert (0 < new < count["train"]) if views == 3 else new == 0, new


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of images each time a network is asked."""
    asked: list[int] = []
    original = features.Backbone._ask

    def ask(self: features.Backbone, pixels: np.ndarray, *more: object) -> object:
        asked.append(len(pixels))
        return original(self, pixels, *more)

    monkeypatch.setattr(features.Backbone, "_ask", ask)
    return asked


def test_a_test_takes_features_from_the_cache(
    own: LightningTrain, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(prepared)
    found = fit.train(fit.prepare(own, store, ["squeezenet"]), own, store, tmp_path / "scratch", lambda _: None)
    description = replace(described(store, own, found.best, "squeezenet"), plugins=["squeezenet"])
    save(tmp_path, model.state(found.network), description)
    test = store.split("test")
    native = model.native(tmp_path, description)(np.array(test.images))
    first = answers.tester(tmp_path, description, test)(slice(0, len(test)))
    asked = counted(monkeypatch)
    again = answers.tester(tmp_path, description, test)(slice(0, len(test)))
    assert asked == [features.PROBES]
    assert np.allclose(first, native, atol=1e-6)
    assert np.array_equal(first, again)
