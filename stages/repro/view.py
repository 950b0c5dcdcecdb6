"""What a person sees while stages run side by side: a line for each that runs, and one for each that ended."""

import time
from pathlib import Path
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from stages.console import console


class View:
    """Running stages with their time below the lines of those that ended; without a terminal the lines alone."""

    def __init__(self, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.total = self.bar.add_task("stages", total=total)
        self.tasks: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def count(self) -> None:
        """Count a stage that needs no run."""
        self.bar.advance(self.total)

    def begin(self, name: str) -> None:
        """Show a stage that runs."""
        self.tasks[name] = self.bar.add_task(f"  {name}", total=None), time.monotonic()

    def end(self, name: str, log: Path | None) -> None:
        """Say how long a stage took, and show the log of one that failed."""
        task, begun = self.tasks.pop(name)
        self.bar.remove_task(task)
        self.count()
        took = f"{name}: {'failed' if log else 'done'} after {time.monotonic() - begun:.1f} s"
        console.print(took, style="red" if log else None)
        if log:
            console.print(log.read_text(encoding="utf-8", errors="replace"), markup=False)
