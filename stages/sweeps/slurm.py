"""A sweep by submitit: a process for each job on this machine, or a task of a SLURM array."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton

from stages.console import progress
from stages.errors import UserError, first_line
from stages.interrupts import Interrupts
from stages.sweeps.launch import CORES, KILLED, Sturdy
from stages.sweeps.swept import Swept

GENERIC = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name")
POLL = 0.5  # seconds between two looks at the jobs
SHARED = 90.0  # seconds in which every node of a shared disk sees a new file


class Again:
    """What submitit calls in a job's process, and hands in again when the job's time is over or its node is wanted."""

    def __init__(self, launcher: Any) -> None:
        self.launcher = launcher

    def __call__(self, *words: Any) -> Any:
        """Run the job."""
        return self.launcher(*words)

    def checkpoint(self, *words: Any) -> Any:
        """Return what is handed in; the exit that submitit ends this process with is then no failure of the job."""
        from submitit.helpers import DelayedSubmission

        Interrupts.requeued = True
        return DelayedSubmission(self, *words)


class Submitit(Sturdy):
    """Jobs that live on their own: one that dies, of memory or with its node, is noticed by what it leaves."""

    cluster: str

    def side_by_side(self, jobs: int) -> int:
        """Return how many of so many jobs share a machine's cores at a time: SLURM gives each job its own."""
        return min(max(1, CORES // (self.params["cpus_per_task"] or 1)), jobs) if self.cluster == "local" else 1

    def run(self, missing: Sequence[Swept]) -> None:
        """Hand the jobs in, wait for all of them; who interrupts the sweep ends them too."""
        waiting: list[Swept] = list(missing)
        running: dict[int, tuple[Any, Swept]] = {}
        with progress(transient=True) as bar:
            task = bar.add_task("jobs", total=len(waiting))
            try:
                while waiting or running:
                    self.refill(waiting, running)
                    time.sleep(POLL)
                    for number in [number for number, (handle, _) in running.items() if handle.done()]:
                        close(*running.pop(number))
                        bar.advance(task)
            finally:
                for handle, _ in running.values():
                    handle.cancel(check=False)

    def refill(self, waiting: list[Swept], running: dict[int, tuple[Any, Swept]]) -> None:
        """Hand in as many jobs as may run: SLURM all at once, it has a queue of its own."""
        left = len(waiting) + len(running)
        room = len(waiting) if self.cluster == "slurm" else self.side_by_side(left) - len(running)
        batch = waiting[: max(0, room)]
        if batch:
            del waiting[: len(batch)]
            handles = self.submit(batch)
            running |= {int(job.folder.name): (handle, job) for handle, job in zip(handles, batch, strict=True)}

    def submit(self, batch: Sequence[Swept]) -> list[Any]:
        """Hand jobs in and return submitit's handles."""
        from submitit.core.utils import FailedJobError

        try:
            handles: list[Any] = self.executor().map_array(
                Again(self.launcher), *zip(*(call(job) for job in batch), strict=True)
            )
        except FailedJobError as error:
            raise UserError(f"hydra.launcher: the queue refused the jobs: {first_line(error)}") from None
        return handles

    def executor(self) -> Any:
        """Return submitit's executor for these keys."""
        import submitit

        params = dict(self.params)
        timeouts = {f"{self.cluster}_max_num_timeout": params.pop("max_num_timeout", 0)}
        executor = submitit.AutoExecutor(params.pop("submitit_folder"), cluster=self.cluster, **timeouts)
        given = {key: value for key, value in params.items() if value is not None}
        named = {key if key in GENERIC else f"{self.cluster}_{key}": value for key, value in given.items()}
        if self.cluster == "slurm":
            named["slurm_srun_args"] = ["--kill-on-bad-exit=1"]
        executor.update_parameters(**named)
        return executor


def call(job: Swept) -> tuple[list[str], str, int, str, Any]:
    """Return what submitit's launcher is called with for a job, in its process."""
    number = int(job.folder.name)
    return job.words, "hydra.sweep.dir", number, f"job_{number}", Singleton.get_state()


def close(handle: Any, job: Swept) -> None:
    """Note how a job ended that has said nothing itself; on a shared disk what it wrote may take a while to show."""
    patience = time.monotonic() + SHARED
    if not job.ended and (why := outside(handle)):
        job.fail(why)
    while not job.ended and handle.paths.result_pickle.exists() and time.monotonic() < patience:
        time.sleep(POLL)
    if not job.ended:
        log = Path(handle.paths.stderr)
        job.fail(f"{KILLED} {log}" if log.exists() else KILLED)


def outside(handle: Any) -> str | None:
    """Return what failed in a job's process before or after the stage: its config, what it was sent, its queue."""
    from submitit.core.utils import pickle_load

    if not handle.paths.result_pickle.exists():
        return None
    outcome, trace = pickle_load(handle.paths.result_pickle)
    return f"{trace.strip().splitlines()[-1]}\n\n{trace}" if outcome == "error" else None
