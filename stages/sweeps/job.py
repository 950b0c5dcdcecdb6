"""One job of a sweep: a folder that holds its overrides, and its result or its error."""

import os
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.core.console import console
from stages.core.context import StageResult
from stages.core.distributed import read_dist_env
from stages.core.errors import UserError, first_line
from stages.core.files import exclusive_lock, read_json, write_json, write_text
from stages.core.signals import is_signal_exit

RESULT = "result.json"
ERROR = "error.txt"
NOTE = "job.json"  # overrides, input hash, and how often the job has been started by which sweep command
SWEEP_ID = "BESTIARY_SWEEP_ID"  # which run of a sweep's command a job belongs to; launchers' processes inherit it
MAX_STARTS = 2  # of a job that kills its process each time
_REQUEUED = (-1, 144)  # exit codes with which submitit ends a process: on SLURM, on this machine
GRACE = 2.0  # seconds in which a broken pool ends its other processes


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep, as its own process sees it.

    Attributes:
        folder: The job's output folder.
        overrides: What the job was called with.
        key: Hash of everything that determines the result; None if the stage cannot say: then it always runs.
    """

    folder: Path
    overrides: Sequence[str]
    key: str | None

    def run(self, task: Callable[[], StageResult | None]) -> float | None:
        """Runs a task, unless its result is there already. An error is written to the folder, not raised.

        Returns:
            The monitored metric, which an optimizer gets to see; None if the task failed or has no result.
        """
        if not read_dist_env().is_main:  # rank 0 writes for all
            result = task()
            return result.value if result else None
        # A launcher that lost one job is started again while its other jobs may still run: they are not run twice.
        with exclusive_lock(self.folder, f"running job {self.folder.name}"):
            note = self._read_note()
            repeated = note.get("sweep") == os.environ.get(SWEEP_ID, "") and note.get("key") == self.key
            if self._is_done(note) or (repeated and has_ended(self.folder)):
                return read_value(self.folder)
            if not repeated:
                return self._run(task, 1)
        # One of the jobs that had begun killed its process, and the pool with it. One at a time, it dies alone.
        with exclusive_lock(self.folder.parent / "repeated", "running a job whose process was killed"):
            time.sleep(GRACE)  # the job that held the lock may just have died: then the pool ends this process too
            return self._run(task, int(note["starts"]) + 1)

    def _run(self, task: Callable[[], StageResult | None], starts: int) -> float | None:
        self._clear()
        note = {"overrides": list(self.overrides), "key": self.key, "sweep": os.environ.get(SWEEP_ID, "")}
        write_json(self.folder / NOTE, {**note, "starts": starts})
        if starts > MAX_STARTS:
            self._fail("killed: its process ended without a result, twice; was there memory enough?")
            return None
        try:
            result = task()
        except (Exception, SystemExit) as error:
            self._handle(error)
            return None
        write_json(self.folder / RESULT, asdict(result) if result else None)
        return result.value if result else None

    def _is_done(self, note: dict[str, Any]) -> bool:
        return has_succeeded(self.folder) and self.key is not None and note.get("key") == self.key

    def _read_note(self) -> dict[str, Any]:
        note: dict[str, Any] = read_json(self.folder / NOTE) if (self.folder / NOTE).exists() else {}
        return note

    def _clear(self) -> None:
        """Removes what an earlier attempt left; Hydra has just written the config."""
        for path in self.folder.iterdir():
            if path.is_dir() and path.name != ".hydra":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()

    def _handle(self, error: BaseException) -> None:
        if is_signal_exit(error):
            raise KeyboardInterrupt from error
        if isinstance(error, SystemExit) and error.code in _REQUEUED and "SUBMITIT_EXECUTOR" in os.environ:
            (self.folder / NOTE).unlink()  # submitit has requeued the job and ends this process: it was not killed
            raise error
        self._fail(format_exception(error))
        if read_dist_env().world_size > 1:
            raise SystemExit(1) from error  # the other ranks wait for this one

    def _fail(self, reason: str) -> None:
        write_text(self.folder / ERROR, f"{reason}\n")
        console.print(f"[red]job {self.folder.name} failed[/]:", end=" ")
        console.print(f"{read_reason(self.folder)} ({self.folder})", markup=False)


def list_jobs(sweep: Path) -> list[Path]:
    """Lists the folders of a sweep's jobs, in order."""
    folders = sweep.iterdir() if sweep.exists() else ()
    return sorted((path for path in folders if path.name.isdigit()), key=lambda path: int(path.name))


def has_succeeded(job: Path) -> bool:
    """Tells whether a job ended without an error."""
    return (job / RESULT).exists()


def has_ended(job: Path) -> bool:
    """Tells whether a job came to an end of its own, with a result or an error."""
    return any((job / name).exists() for name in (RESULT, ERROR))


def read_result(job: Path) -> dict[str, Any] | None:
    """Reads a job's result; None if it failed, or if its stage has none."""
    result: dict[str, Any] | None = read_json(job / RESULT) if has_succeeded(job) else None
    return result


def read_value(job: Path) -> float | None:
    """Reads a job's monitored metric; None if there is no result."""
    result = read_result(job)
    return StageResult(**result).value if result else None


def read_reason(job: Path) -> str:
    """Reads in one line why a job failed."""
    if not (job / ERROR).exists():
        return "its process ended without a result"
    return (job / ERROR).read_text(encoding="utf-8").splitlines()[0]


def read_overrides(job: Path) -> str:
    """Reads what a job was called with."""
    return " ".join(read_json(job / NOTE)["overrides"]) if (job / NOTE).exists() else ""


def format_exception(error: BaseException) -> str:
    """Formats an error in one line, followed by its traceback unless it is a user's mistake."""
    if isinstance(error, UserError):
        return first_line(error)
    return f"{type(error).__name__}: {first_line(error)}\n\n" + "".join(traceback.format_exception(error))
