from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from stages.backends.lightning.model import Unfilled, restore
from stages.train.model import WEIGHTS, describe


def test_a_restored_network_holds_the_weights_and_draws_none(trained: Path) -> None:
    state = torch.get_rng_state()
    network = restore(trained, describe(trained))
    assert torch.equal(torch.get_rng_state(), state)
    weights = load_file(trained / WEIGHTS)
    assert network.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())


def test_only_parameters_are_left_unfilled() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1000)
    torch.manual_seed(1)
    with Unfilled():
        nn.Linear(10, 10)
        nn.init.kaiming_normal_(nn.Conv2d(3, 8, 3).weight)
        drawn = torch.empty(1000).uniform_()
        scale = nn.BatchNorm2d(4).weight
    assert torch.equal(drawn, expected)
    assert torch.equal(scale, torch.ones(4))
