import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stages.backends.lightning.ahead import Ahead
from stages.backends.lightning.data import Batches, loader
from stages.preprocess.store import Split
from stages.train.order import Order, Shared


class Stream:
    """Stands for a CUDA stream, and notes what it is asked to wait for."""

    def __init__(self, _: Any = None) -> None:
        self.events = 0
        self.waited: list[int] = []

    def record_event(self) -> int:
        self.events += 1
        return self.events

    def wait_event(self, event: int) -> None:
        self.waited.append(event)


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Let the CPU stand for a GPU; return the stream on which steps compute."""
    steps = Stream()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: steps)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: None)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_: tensor)
    return steps


def batches(count: int) -> Batches:
    images = np.random.default_rng(0).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8)
    return Batches([Split(images, np.arange(count), [""] * count)], Shared(Order(count, 4, seed=1)))


@pytest.mark.parametrize("count", [1, 4, 23])
def test_batches_come_as_they_would(count: int, current: Stream) -> None:
    made = loader(batches(count))
    ahead = Ahead(made, torch.device("cpu"))
    assert len(ahead) == len(made)
    for epoch in range(2):
        ahead.sampler.set_epoch(epoch)
        pairs = list(zip(ahead, made, strict=True))
        assert all(torch.equal(one, other) for mine, its in pairs for one, other in zip(mine, its, strict=True))
    assert current.waited == [*range(1, len(made) + 1)] * 2


@pytest.mark.usefixtures("current")
def test_a_loop_that_ends_early_leaves_no_thread() -> None:
    before = threading.active_count()
    running = iter(Ahead(loader(batches(40)), torch.device("cpu")))
    next(running)
    assert threading.active_count() == before + 1
    running.close()
    assert threading.active_count() == before


@pytest.mark.usefixtures("current")
def test_what_breaks_in_the_thread_breaks_the_loop() -> None:
    broken = batches(8)
    broken.variants = [SimpleNamespace(images=None)]
    with pytest.raises(TypeError):
        list(Ahead(loader(broken), torch.device("cpu")))
