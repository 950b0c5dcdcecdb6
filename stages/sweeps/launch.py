"""How a sweep's jobs are run, by whichever launcher: only what is missing, and one that dies takes no other with it."""

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from stages.config import complaint
from stages.console import console
from stages.errors import UserError
from stages.machine import SIDE_BY_SIDE, cores
from stages.sweeps.sweep import Sweep
from stages.sweeps.swept import Swept, ended_well, reason, story

CORES = cores()  # of this machine, before a sweep's jobs share it
KILLED = "killed: its process ended without a result; was there memory enough?"


class Sturdy(Launcher):
    """Hands the jobs that are missing to another launcher, and returns for each what it came to."""

    @property
    @abstractmethod
    def inner(self) -> str:
        """The full name of the launcher that runs them."""

    def __init__(self, **params: Any) -> None:
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher that runs the jobs, with the same keys."""
        self.context, self.task, self.config = hydra_context, task_function, config
        made = Plugins.instance().class_name_to_class[self.inner](**self.params)
        assert isinstance(made, Launcher)
        self.launcher = made
        self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run what is missing; a job that failed has no value, so that a sweeper goes on."""
        found = [self.job(number, words) for number, words in enumerate(job_overrides, initial_job_idx)]
        Sweep.jobs += [job.folder for job in found]
        missing = [job for job in found if not job.done]
        if len(missing) < len(found):
            console.print(f"{len(found) - len(missing)} of {len(found)} were done before")
        sound = [job for job in missing if job.prepare()]
        tell(job for job in missing if job.ended)
        if sound:
            os.environ[SIDE_BY_SIDE] = str(self.side_by_side(len(sound)))
            self.run(sound)
            tell(job for job in sound if not ended_well(job.folder))
        return [returned(job) for job in found]

    def job(self, number: int, words: Sequence[str]) -> Swept:
        """Return a job with its key, which the stage makes from its config, or with what is wrong with that."""
        folder = Path(str(self.config.hydra.sweep.dir)) / str(number)
        try:
            config = self.context.config_loader.load_sweep_config(self.config, list(words))
            return Swept(folder, words, getattr(self.task, "__self__").key(config))  # noqa: B009  # the stage's door
        except UserError as error:
            return Swept(folder, words, None, story(error))
        except HydraException as error:
            return Swept(folder, words, None, story(UserError(complaint(error))))

    def side_by_side(self, jobs: int) -> int:
        """Return how many of so many jobs share this machine's cores at a time."""
        asked = int(self.params.get("n_jobs", 1))
        return min(CORES if asked < 0 else asked, jobs)

    def run(self, missing: Sequence[Swept]) -> None:
        """Run jobs; where a dead process takes its pool along, find out whose it was: what had begun runs alone."""
        while missing := [job for job in missing if not job.ended]:
            for job in (job for job in missing if job.begun):
                self.attempt([job])
                if not job.ended:
                    job.fail(KILLED)
            rest = [job for job in missing if not job.ended]
            error = self.attempt(rest) if rest else None
            if error is None or not any(job.begun for job in rest):
                for job in (job for job in rest if not job.ended):
                    job.fail(story(error) if error else KILLED)

    def attempt(self, jobs: Sequence[Swept]) -> Exception | None:
        """Launch jobs, and return what the launcher itself failed of."""
        try:
            self.launcher.launch([job.words for job in jobs], initial_job_idx=0)
        except Exception as error:  # a pool that lost a process raises its own
            console.print(f"[yellow]{type(error).__name__}[/]: going on with what had not ended")
            return error
        return None


def tell(failed: Iterable[Swept]) -> None:
    """Say why jobs failed."""
    for job in failed:
        console.print(f"[red]job {job.folder.name} failed[/]:", end=" ")
        console.print(f"{reason(job.folder)} ({job.folder})", markup=False)


def returned(job: Swept) -> JobReturn:
    """Return what a sweeper is told of a job."""
    found = JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED)
    found.return_value = job.value()
    return found
