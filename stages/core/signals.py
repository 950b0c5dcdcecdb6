"""Ctrl-C, SIGTERM and SIGHUP end a command in the same way: by KeyboardInterrupt, so that everything is closed."""

import signal
from types import FrameType
from typing import NoReturn

from stages.core.errors import iter_causes

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalInterrupt(KeyboardInterrupt):
    """A KeyboardInterrupt that remembers which signal caused it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def install_handlers() -> None:
    """Raises SignalInterrupt on each of `ENDING`; a signal that is ignored, as nohup sets it up, stays ignored.

    A script's `command &` ignores Ctrl-C. Processes started from here must not inherit that, or they could not be
    interrupted: a handler that does nothing is not inherited, unlike SIG_IGN.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_interrupt)
        elif number == signal.SIGINT:
            signal.signal(number, _noop_handler)


def is_signal_exit(error: BaseException) -> bool:
    """Tells whether a signal caused an error, whatever a library has turned it into since."""
    return any(isinstance(cause, KeyboardInterrupt) or _exit_signal(cause) for cause in iter_causes(error))


def exit_status(error: BaseException) -> int:
    """Computes the exit status that names the signal behind an error: 128 + its number."""
    for cause in iter_causes(error):
        number = cause.number if isinstance(cause, SignalInterrupt) else _exit_signal(cause)
        if number:
            return 128 + number
    return 128 + signal.SIGINT


def _exit_signal(error: BaseException) -> int | None:
    code = error.code if isinstance(error, SystemExit) else None
    return code - 128 if isinstance(code, int) and code - 128 in ENDING else None


def _raise_interrupt(number: int, _: FrameType | None) -> NoReturn:
    raise SignalInterrupt(number)


def _noop_handler(_number: int, _frame: FrameType | None) -> None:
    pass
