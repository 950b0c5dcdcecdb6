"""One process for each device: those that torchrun or srun started, or as many as this one starts."""

import logging
import signal
import tempfile
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.config import project
from stages.console import console
from stages.disk import told
from stages.errors import UserError, refusal
from stages.job import Job, Result
from stages.ranks import Rank, give_way, rank
from stages.schema import Lightning, Train
from stages.train.framework import framework
from stages.train.search import configs

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

Task = Callable[[Job], Result | None]
REFUSED = 2  # the exit status of a process that has said what is wrong
LEAVE = 10  # seconds that the others have to end in, once one has died


def processes(config: Train) -> int:
    """Return how many processes train together; Keras' devices are in one."""
    return config.devices * config.num_nodes if isinstance(config, Lightning) else 1


def launched(task: Task, job: Job) -> Result | None:
    """Return what a task returns in the first of its processes; in the others nothing."""
    found, wanted = rank(), processes(job.model.train)
    require_processes(job.model.train, found)
    for config in configs(job.model):
        require_share(config, job.name)
        framework(config.framework).require_devices(config)
    if found.size == wanted:
        console.quiet = console.quiet or not found.leads
        return task(job)
    return started(task, job, wanted)


def require_processes(config: Train, found: Rank) -> None:
    """Raise a UserError where other processes were started, here or elsewhere, than the config asks for."""
    if found.size == 1:
        require_one_machine(config)
    elif not isinstance(config, Lightning):
        raise UserError(
            f"{found.size} processes were started, and Keras trains in one; start one, with trainer.devices=…"
        )
    elif (found.size, found.beside) != (processes(config), config.devices):
        machines, rest = divmod(found.size, found.beside)
        mend = "" if rest else f"say trainer.devices={found.beside} trainer.num_nodes={machines}, or "
        raise UserError(
            f"{found.size} processes were started, {found.beside} of them on this machine, for trainer.devices="
            f"{config.devices} and trainer.num_nodes={config.num_nodes}; {mend}start {config.devices} on each machine"
        )


def require_share(config: Train, name: str) -> None:
    """Raise a UserError for a batch of fewer images than devices."""
    count = processes(config) if isinstance(config, Lightning) else config.devices
    if config.batch_size < count:
        raise UserError(
            f"models.{name}.train.batch_size: {config.batch_size} is less than the {count} devices that share it; "
            f"say {count} or more, or fewer devices"
        )


def started(task: Task, job: Job, count: int) -> Result | None:
    """Start the processes on this machine, as torchrun does; the death of one ends all."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for chatty in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as logs:
        config = LaunchConfig(
            1, 1, count, DefaultLogsSpecs(logs), uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1", max_restarts=0, shutdown_timeout=LEAVE,
        )  # fmt: skip
        try:
            results: dict[int, Result | None] = elastic_launch(config, member)(task, job)
        except ChildFailedError as error:
            raise SystemExit(mourned(error, job.name)) from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + error.sigval) from None
    return results[0]


def require_one_machine(config: Train) -> None:
    """Raise a UserError where other machines are needed: nothing here could start a process there."""
    if isinstance(config, Lightning) and config.num_nodes > 1:
        raise UserError(
            f"trainer.num_nodes {config.num_nodes}: this process is alone; start the command on every machine with "
            f"torchrun --nnodes {config.num_nodes} --nproc-per-node {config.devices} --rdzv-backend c10d "
            f"--rdzv-endpoint HOST:29400 -m stages.train …, or all at once with srun --nodes {config.num_nodes} "
            f"--ntasks-per-node {config.devices} --kill-on-bad-exit python -m stages.train …"
        )


def member(task: Task, job: Job) -> Result | None:
    """Run a task in one of the processes; a mistake of the user's is said, and ends it."""
    try:
        with told(project()):
            return launched(task, job)
    except UserError as error:
        give_way()
        raise SystemExit(refusal(error)) from None


def mourned(error: "ChildFailedError", name: str) -> int:
    """Say which process died of what, unless it has said so itself; return the exit status."""
    number, failure = error.get_first_failure()
    if failure.exitcode == REFUSED:
        return REFUSED
    cause = failure.signal_name() if failure.exitcode < 0 else f"exit status {failure.exitcode}"
    refusal(
        f"training {name}: process {number} (its rank) died of {cause}, so the others were ended too; the same "
        "command goes on from the last whole epoch"
    )
    return 1
