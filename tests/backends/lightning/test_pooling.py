import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stages.backends.lightning.pooling import Pool, repeatable
from stages.train.model import build


@settings(deadline=None)
@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_averages_and_gradients_are_pytorchs(given_size: tuple[int, int], wanted: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *given_size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, expected = (images.clone().requires_grad_() for _ in range(2))
    nn.AdaptiveAvgPool2d(wanted)(expected).square().sum().backward()
    Pool(wanted)(found).square().sum().backward()
    assert torch.allclose(Pool(wanted)(images), nn.AdaptiveAvgPool2d(wanted)(images), rtol=0, atol=1e-12)
    assert torch.allclose(found.grad, expected.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "size"), [("vgg19", 64), ("resnet50", 64)])
def test_a_network_answers_as_before(name: str, size: int) -> None:
    network = build("lightning", {"name": name}, 2, size, []).eval()
    pixels = torch.randn(1, 3, size, size)
    with torch.inference_mode():
        before, names = network(pixels), list(network.state_dict())
        repeatable(network)
        assert any(isinstance(module, Pool) for module in network.modules())
        assert torch.allclose(network(pixels), before, atol=1e-5)
    assert list(network.state_dict()) == names
