"""Signals that end a process, and what libraries make of them."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import door
from stages.interrupts import ENDING, Interrupts, ends, heed, status
from stages.ranks import Rank
from stages.sweeps.swept import ERROR


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Interrupts, "number", None)
    monkeypatch.setattr(Interrupts, "requeued", False)
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_ends_as_ctrl_c_does_and_one_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    heed()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert status() == 143
    assert ends(SystemExit(1))
    signal.raise_signal(signal.SIGHUP)


def test_the_status_of_a_signal_is_one() -> None:
    assert not ends(SystemExit(1))
    assert not ends(ValueError("130"))
    assert ends(SystemExit(143))
    assert status() == 143


def test_a_job_that_is_told_to_end_has_not_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        door.note(SystemExit(143), tmp_path)
    assert not list(tmp_path.iterdir())


def test_of_several_processes_one_notes_the_error_and_each_that_fails_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "rank", lambda: Rank(1, 2, 1, 2))
    for word in ("first", "second"):
        with pytest.raises(SystemExit, match="1"):
            door.note(ValueError(word), tmp_path)
    assert (tmp_path / ERROR).read_text().startswith("ValueError: first")
