from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.callbacks import RichProgressBar

from stages.backends.lightning.bar import Bar


def test_the_loss_is_read_twice_a_second_and_after_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = SimpleNamespace(now=100.0), []
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    monkeypatch.setattr(RichProgressBar, "get_metrics", lambda *_: asked.append(clock.now) or {"loss": clock.now})
    nothing: Any = None
    bar = Bar()
    for clock.now in (100.0, 100.2, 100.4, 100.6):
        bar.get_metrics(nothing, nothing)
    assert asked == [100.0, 100.6]
    monkeypatch.setattr(RichProgressBar, "on_validation_end", lambda bar, *_: bar.get_metrics(nothing, nothing))
    bar.on_validation_end(nothing, nothing)
    assert asked == [100.0, 100.6, 100.6]
