"""A whole sweep: its folder, its parent run in MLflow, and the table of its jobs."""

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from stages.core.console import console
from stages.core.errors import UserError, first_line
from stages.core.files import exclusive_lock, read_json, write_json
from stages.core.metrics import print_ranking
from stages.core.signals import SignalInterrupt, exit_status, install_handlers
from stages.core.tracking import PARENT, TrackedRun
from stages.sweeps.job import SWEEP_ID, has_ended, has_succeeded, list_jobs, read_overrides, read_reason, read_result

SWEEP = "sweep.json"  # what a sweep was called with, the input hash of its first job, its run in MLflow


@dataclass(frozen=True)
class Sweep:
    """A multirun of a stage.

    Attributes:
        folder: Its folder; each job has a numbered folder in it.
        num_jobs: How many jobs it has; None where an optimizer decides.
        parent: The MLflow run that the jobs' runs belong to.
    """

    folder: Path
    num_jobs: int | None
    parent: TrackedRun

    @property
    def jobs(self) -> list[Path]:
        """The folders of this sweep's jobs, as far as they have begun."""
        return list_jobs(self.folder)[: self.num_jobs]

    @property
    def succeeded(self) -> bool:
        """Whether every job has ended without an error."""
        jobs = self.jobs
        return bool(jobs) and len(jobs) == (self.num_jobs or len(jobs)) and all(map(has_succeeded, jobs))

    def run(self, launch: Callable[[], None]) -> None:
        """Launches the jobs. If one of them kills the launcher's worker pool, launches those that have not ended.

        Jobs that are done skip themselves, and a job that was killed twice fails, so this comes to an end.
        """
        done = sum(map(has_succeeded, self.jobs))
        if done:
            console.print(f"{done} of {self.num_jobs or len(self.jobs)} jobs were done before")
        while True:
            try:
                launch()
                return
            except UserError:
                raise
            except Exception as error:  # each launcher's pool raises errors of its own
                lost = [job for job in self.jobs if not has_ended(job)]
                console.print(f"[yellow]{type(error).__name__}[/]: {first_line(error)}", highlight=False)
                if not lost:
                    return

    def print_table(self) -> None:
        """Prints one line for each job, best first, and what to do with the best one."""
        jobs = self.jobs
        if not jobs:
            return
        results = [read_result(job) for job in jobs]
        first = next((result for result in results if result), {"monitor": "result", "mode": "min"})
        rows = []
        for job, result in zip(jobs, results, strict=True):
            metrics = result["metrics"] if result else {} if has_succeeded(job) else None
            rows.append((job.name, metrics, read_overrides(job)))
        best = print_ranking(self.folder.name, first["monitor"], first["mode"], rows)
        for job in jobs:
            if not has_succeeded(job):
                console.print(f"[red]job {job.name} failed[/]:", end=" ")
                console.print(f"{read_reason(job)} ({job})", markup=False)
        if not self.succeeded:
            console.print("the same command again runs what is missing")
        if any(results):
            console.print(f"go on from a job: python -m stages.evaluate model=… from={self.folder / best}")
            console.print(f"keep its values: python -m stages.promote {self.folder / best}")


@contextmanager
def open_sweep(
    stage: str, name: str, command: Sequence[str], key: str | None, folder: Path, num_jobs: int | None
) -> Iterator[Sweep]:
    """Opens a sweep: locks its folder, opens its parent run; at the end prints the table and closes the run.

    Args:
        stage: The stage that the jobs run.
        name: What it works on; the experiment in MLflow.
        command: The overrides that the sweep was called with.
        key: The input hash of its first job; None if the stage has none.
        folder: Where a new sweep goes. An earlier one of the same command and key goes on in its own folder.
        num_jobs: How many jobs it has; None where an optimizer decides.
    """
    words = [
        word for word in command if not word.startswith("hydra") or word.startswith(("hydra/sweeper", "hydra.sweeper"))
    ]
    note = {"command": words, "key": key}  # the launcher may be another one
    names_folder = any(word.startswith("hydra.sweep.dir=") for word in command)
    earlier = _find_sweep(stage, note) if key is not None and not names_folder else None
    if earlier:
        console.print(f"going on with {earlier}; to begin anew, remove it", markup=False)
    folder = earlier or folder
    install_handlers()
    os.environ[SWEEP_ID] = uuid4().hex
    parent = TrackedRun()
    sweep = Sweep(folder, num_jobs, parent)
    with exclusive_lock(folder, "running this sweep"):
        resumed = _read_sweep(folder).get("run") if earlier else None
        parent.open(name, folder.name, {"sweep": " ".join(command)}, resumed)
        write_json(folder / SWEEP, note | {"run": parent.id})
        if parent.id is not None:
            os.environ[PARENT] = parent.id  # the jobs, also those in other processes, nest their runs in it
        try:
            yield sweep
        except KeyboardInterrupt as error:
            _cancel_queued_jobs()
            console.print("interrupted; the same command goes on from here")
            raise SystemExit(exit_status(error)) from None
        finally:
            _close(sweep)


def list_varied(sweep: Path, overrides: Sequence[str]) -> list[str]:
    """Lists which of a job's overrides differ from job to job, for the name of its run."""
    command = [word.partition("=") for word in _read_sweep(sweep).get("command", [])]
    fixed = {key for key, _, value in command if value.startswith(("[", "'", '"')) or not re.search("[,(]", value)}
    return [word for word in overrides if word.partition("=")[0] not in fixed]


def _cancel_queued_jobs() -> None:
    """Cancels jobs that live outside of this process. submitit's launcher keeps their handles to itself."""
    if "submitit" not in sys.modules:
        return
    from submitit import Job

    for job in [item for item in gc.get_objects() if isinstance(item, Job)]:
        job.cancel(check=False)


def _close(sweep: Sweep) -> None:
    try:
        sweep.parent.close("FINISHED" if sweep.succeeded else "FAILED")
        sweep.print_table()
    except SignalInterrupt:  # a second Ctrl-C: the table is not worth waiting for
        console.print("interrupted")


def _find_sweep(stage: str, note: dict[str, Any]) -> Path | None:
    """Finds the newest sweep of the same command, data and code."""
    folders = sorted(Path("runs").glob(f"*/*-{stage}-sweep"), reverse=True)
    return next((folder for folder in folders if note.items() <= _read_sweep(folder).items()), None)


def _read_sweep(folder: Path) -> dict[str, Any]:
    note: dict[str, Any] = read_json(folder / SWEEP) if (folder / SWEEP).exists() else {}
    return note
