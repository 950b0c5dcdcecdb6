"""The terminal: one console and one kind of progress bar for every command."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from stages.core.errors import UserError

T = TypeVar("T")

# A terminal that is not UTF-8 shows "?" for what it lacks: no work is lost for a character.
for _stream in (sys.stdout, sys.stderr):
    if hasattr(_stream, "reconfigure"):
        _stream.reconfigure(errors="replace")

error_console = Console(stderr=True, highlight=False, soft_wrap=True)
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 130, force_jupyter=False)


class RateColumn(ProgressColumn):
    """Items per second; empty until it is known."""

    def render(self, task: Task) -> Text:
        """Formats the rate of a task."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


def create_progress(transient: bool = False) -> Progress:
    """Creates a progress bar for counted items: bar, count, rate, time left.

    Args:
        transient: Remove the bar at the end, and show none where the output is no terminal.
    """
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn(),
        console=console, transient=transient, disable=transient and not console.is_terminal,
    )  # fmt: skip


def create_transfer_progress() -> Progress:
    """Creates a progress bar for bytes: bar, size, speed, time left."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip


def track(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Yields items while a progress bar shows how many are done."""
    with create_progress() as bar:
        task = bar.add_task(description, total=total)
        for item in items:
            yield item
            bar.advance(task)


def print_error(error: UserError | str) -> int:
    """Prints why a command cannot run, and returns the exit status for it, 2."""
    error_console.print("[bold red]error[/]", end=" ")
    error_console.print(str(error), markup=False)
    return 2
