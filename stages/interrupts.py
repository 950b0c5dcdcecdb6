"""What ends a process from outside: Ctrl-C, a terminal that closes, who asks it to end, a queue that takes it back."""

import signal
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """What has reached this process: the signal that ends it, and whether its queue runs the job again."""

    number: int | None = None
    requeued = False


def heed() -> None:
    """End on each of the signals as on Ctrl-C; one that is ignored, as nohup has it, stays so.

    A script's `command &` ignores Ctrl-C. What this process starts must not, or it could not be ended from here.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
        elif number == signal.SIGINT:
            signal.signal(number, overhear)


def end(number: int, _: FrameType | None) -> NoReturn:
    """Note a signal and end as on Ctrl-C."""
    Interrupts.number = number
    raise KeyboardInterrupt


def overhear(_number: int, _frame: FrameType | None) -> None:
    """Go on: a signal with a handler is not ignored by the processes that are started."""


def status() -> int:
    """Return the exit status that says which signal ended a command."""
    return 128 + (Interrupts.number or signal.SIGINT)


def ends(error: BaseException) -> bool:
    """Return whether an error is what a signal came to, whatever a library has made of it, and note the signal."""
    code = error.code if isinstance(error, SystemExit) else None
    if isinstance(code, int) and code - 128 in ENDING:
        Interrupts.number = code - 128
    return Interrupts.number is not None
