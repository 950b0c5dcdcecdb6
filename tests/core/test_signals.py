"""Signals that end a process, and what libraries make of them."""

import signal
from collections.abc import Iterator

import pytest

from stages.core.signals import ENDING, SignalInterrupt, exit_status, install_handlers, is_signal_exit


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_ends_as_ctrl_c_does_and_one_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    install_handlers()
    with pytest.raises(SignalInterrupt) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert exit_status(caught.value) == 143
    signal.raise_signal(signal.SIGHUP)


def test_ctrl_c_that_a_script_ignores_is_ignored_here_and_not_inherited() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    install_handlers()
    signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_the_status_of_a_signal_is_one() -> None:
    assert not is_signal_exit(SystemExit(1))
    assert not is_signal_exit(ValueError("130"))
    assert is_signal_exit(SystemExit(143))
    assert exit_status(SystemExit(143)) == 143
    assert exit_status(KeyboardInterrupt()) == 130


def test_a_signal_is_recognized_behind_a_librarys_error() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            raise SignalInterrupt(signal.SIGHUP)
        except KeyboardInterrupt as interrupt:
            raise RuntimeError("the trainer was stopped") from interrupt
    assert is_signal_exit(caught.value)
    assert exit_status(caught.value) == 129
