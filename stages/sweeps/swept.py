"""A sweep's folder, which is all that a repeat needs to know: a numbered folder for each job, with what came of it."""

import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import UserError, first_line
from stages.files import read_json, write_json, write_text
from stages.job import Result

RESULT = "result.json"
ERROR = "error.txt"
NOTE = "job.json"  # what a job is called with, and the key of what it follows from


@dataclass(frozen=True)
class Swept:
    """One job of a sweep: its folder, its overrides, and a key that names all that its result follows from."""

    folder: Path
    overrides: Sequence[str]
    key: str | None
    mistake: str = ""  # what is wrong with its config

    @property
    def words(self) -> list[str]:
        """What Hydra is told: the overrides, and the folder, whichever jobs are launched with it."""
        return [*self.overrides, f"hydra.sweep.subdir={self.folder.name}"]

    @property
    def done(self) -> bool:
        """Whether it ended well, and what came of it follows from the same key."""
        same = (self.folder / NOTE).exists() and read_json(self.folder / NOTE)["key"] == self.key
        return same and self.key is not None and ended_well(self.folder)

    @property
    def ended(self) -> bool:
        """Whether it came to an end of its own, good or bad."""
        return any((self.folder / name).exists() for name in (RESULT, ERROR))

    @property
    def begun(self) -> bool:
        """Whether it got as far as having its config."""
        return (self.folder / ".hydra").exists()

    def prepare(self) -> bool:
        """Leave nothing of a former attempt but the note of this one, and return whether it can run."""
        shutil.rmtree(self.folder, ignore_errors=True)
        given = [word for word in self.overrides if not word.startswith("hydra")]
        write_json(self.folder / NOTE, {"overrides": given, "key": self.key})
        if self.mistake:
            self.fail(self.mistake)
        return not self.mistake

    def fail(self, why: str) -> None:
        """Note why it has no result."""
        write_text(self.folder / ERROR, f"{why}\n")

    def value(self) -> float | None:
        """Return what an optimiser looks at, None where it failed or has nothing to compare."""
        found = result(self.folder)
        return Result(found["monitor"], found["metrics"]).value if found else None


def ended_well(job: Path) -> bool:
    """Return whether a job ended without an error."""
    return (job / RESULT).exists()


def result(job: Path) -> dict[str, Any] | None:
    """Return a job's result, None where it failed or its stage has nothing to compare."""
    found: dict[str, Any] | None = read_json(job / RESULT) if ended_well(job) else None
    return found


def reason(job: Path) -> str:
    """Return in a line why a job failed."""
    if not (job / ERROR).exists():
        return "it did not end"
    return (job / ERROR).read_text(encoding="utf-8").splitlines()[0]


def overrides(job: Path) -> str:
    """Return what a job was called with."""
    return " ".join(read_json(job / NOTE)["overrides"]) if (job / NOTE).exists() else ""


def jobs(folder: Path) -> list[Path]:
    """Return the folders of a sweep's jobs, in order."""
    known = folder.iterdir() if folder.exists() else ()
    return sorted((path for path in known if path.name.isdigit()), key=lambda path: int(path.name))


def story(error: BaseException) -> str:
    """Return an error in a line, and how it came about unless it is the user's."""
    if isinstance(error, UserError):
        return first_line(error)
    return f"{type(error).__name__}: {first_line(error)}\n\n" + "".join(traceback.format_exception(error))
