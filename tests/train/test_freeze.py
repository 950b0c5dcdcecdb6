"""Which parameters a rule freezes, in PyTorch's networks and in Keras'."""

from typing import Any

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.train.freeze import frozen
from stages.train.model import build

NAMES = ["conv1.weight", "bn1.weight", "layer1.0.bn1.bias", "layer1.0.downsample.1.weight", "fc.0.weight", "fc.3.bias"]
DOCUMENTED = ["*", "!*bn*", "!fc.*"]


@pytest.mark.parametrize(
    ("rule", "trained"),
    [
        ("none", NAMES),
        ("all", ["fc.0.weight", "fc.3.bias"]),
        (DOCUMENTED, ["bn1.weight", "layer1.0.bn1.bias", "fc.0.weight", "fc.3.bias"]),
        (["layer1.*", "!layer1.0.bn?.*"], [name for name in NAMES if "downsample" not in name]),
        (["!fc.*", "fc.*"], NAMES[:4]),
        ([], NAMES),
    ],
)
def test_globs_count_in_their_order(rule: str | list[str], trained: list[str]) -> None:
    assert [name for name in NAMES if name not in frozen(NAMES, rule, "fc")] == trained


@pytest.mark.parametrize(
    ("rule", "head", "says"),
    [
        (["*", "!layer9.*"], "fc", "'!layer9.*' matches no parameter"),
        (["bn1.weigth"], "fc", "did you mean bn1.weight?"),
        (["*"], "fc", "leaves nothing to train"),
        ("all", None, "names no HEAD; list globs"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: str | list[str], head: str | None, says: str) -> None:
    with pytest.raises(UserError) as caught:
        frozen(NAMES, rule, head)
    assert says in str(caught.value)


def test_the_published_resnet50_trains_what_has_bn_in_its_name_and_the_head() -> None:
    from stages.backends.lightning.fit import freeze
    from stages.backends.lightning.module import LitClassifier
    from tests.conftest import tree

    config = tree().models["resnet50"].train
    assert config.freeze == DOCUMENTED
    network = build("lightning", {"name": "resnet50", "layer_size": 256}, 2, 64, [])
    freeze(network, config.freeze, "fc")
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    names = dict(network.named_parameters())
    assert trained == {name for name in names if "bn" in name} | {name for name in names if name.startswith("fc.")}
    assert sum(names[name].numel() for name in trained if not name.startswith("fc.")) == 45_440

    module = LitClassifier(network, config)
    assert module.network.get_submodule("layer1.0.bn1").training
    assert not module.network.get_submodule("layer1.0.downsample.1").training, "its parameters are frozen"
    assert not LitClassifier(network, config).eval().network.get_submodule("bn1").training


def test_a_keras_layer_that_is_frozen_whole_keeps_its_statistics() -> None:
    from stages.backends.base import framework

    framework("keras")
    from stages.backends.keras import backend

    backend.choose("tensorflow", 0)
    from stages.backends.keras.fit import freeze

    def trained(rule: str | list[str]) -> Any:
        network = build("keras", {"name": "xception"}, 2, 48, [])
        freeze(network, rule, "classifier")
        return network

    everything = trained("none")
    assert sum(int(np.prod(weight.shape)) for weight in everything.trainable_variables) == 2_773_913
    head = trained("all")
    assert [weight.path for weight in head.trainable_variables] == ["classifier/kernel", "classifier/bias"]
    assert not any(layer.trainable for layer in head.layers if "normalization" in layer.name)
    some = trained(["*", "!*/gamma", "!classifier/*"]).trainable_variables
    assert {weight.path.rpartition("/")[2] for weight in some} == {"gamma", "kernel", "bias"}
    assert sum(weight.path.endswith("kernel") for weight in some) == 1
