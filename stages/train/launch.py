"""One process for each device: those that torchrun or srun started, or as many as this one starts."""

import logging
import signal
import tempfile
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.backends.base import framework
from stages.config.schema import LightningTrain, Train
from stages.core.console import console, print_error
from stages.core.context import StageContext, StageResult
from stages.core.distributed import DistEnv, read_dist_env, wait_for_main_error
from stages.core.errors import UserError, translate_disk_errors
from stages.core.workspace import project_root
from stages.train.search import configs

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

Task = Callable[[StageContext], StageResult | None]
REFUSED = 2  # the exit status of a process that has said what is wrong
LEAVE = 10  # seconds that the others have to end in, once one has died


def processes(config: Train) -> int:
    """Return how many processes train together; Keras' devices are in one."""
    return config.devices * config.num_nodes if isinstance(config, LightningTrain) else 1


def launched(task: Task, job: StageContext) -> StageResult | None:
    """Return what a task returns in the first of its processes; in the others nothing."""
    found, wanted = read_dist_env(), processes(job.model.train)
    require_processes(job.model.train, found)
    for config in configs(job.model):
        require_share(config, job.name)
        framework(config.framework).require_devices(config)
    if found.world_size == wanted:
        console.quiet = console.quiet or not found.is_main
        return task(job)
    return started(task, job, wanted)


def require_processes(config: Train, found: DistEnv) -> None:
    """Raise a UserError where other processes were started, here or elsewhere, than the config asks for."""
    if found.world_size == 1:
        require_one_machine(config)
    elif not isinstance(config, LightningTrain):
        raise UserError(
            f"{found.world_size} processes were started, and Keras trains in one; start one, with trainer.devices=…"
        )
    elif (found.world_size, found.local_world_size) != (processes(config), config.devices):
        machines, rest = divmod(found.world_size, found.local_world_size)
        mend = "" if rest else f"say trainer.devices={found.local_world_size} trainer.num_nodes={machines}, or "
        raise UserError(
            f"{found.world_size} processes were started, {found.local_world_size} of them on this machine, "
            f"for trainer.devices={config.devices} and trainer.num_nodes={config.num_nodes}; "
            f"{mend}start {config.devices} on each machine"
        )


def require_share(config: Train, name: str) -> None:
    """Raise a UserError for a batch of fewer images than devices."""
    count = processes(config) if isinstance(config, LightningTrain) else config.devices
    if config.batch_size < count:
        raise UserError(
            f"models.{name}.train.batch_size: {config.batch_size} is less than the {count} devices that share it; "
            f"say {count} or more, or fewer devices"
        )


def started(task: Task, job: StageContext, count: int) -> StageResult | None:
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
            results: dict[int, StageResult | None] = elastic_launch(config, member)(task, job)
        except ChildFailedError as error:
            raise SystemExit(mourned(error, job.name)) from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + error.sigval) from None
    return results[0]


def require_one_machine(config: Train) -> None:
    """Raise a UserError where other machines are needed: nothing here could start a process there."""
    if isinstance(config, LightningTrain) and config.num_nodes > 1:
        raise UserError(
            f"trainer.num_nodes {config.num_nodes}: this process is alone; start the command on every machine with "
            f"torchrun --nnodes {config.num_nodes} --nproc-per-node {config.devices} --rdzv-backend c10d "
            f"--rdzv-endpoint HOST:29400 -m stages.train …, or all at once with srun --nodes {config.num_nodes} "
            f"--ntasks-per-node {config.devices} --kill-on-bad-exit python -m stages.train …"
        )


def member(task: Task, job: StageContext) -> StageResult | None:
    """Run a task in one of the processes; a mistake of the user's is said, and ends it."""
    try:
        with translate_disk_errors(project_root()):
            return launched(task, job)
    except UserError as error:
        wait_for_main_error()
        raise SystemExit(print_error(error)) from None


def mourned(error: "ChildFailedError", name: str) -> int:
    """Say which process died of what, unless it has said so itself; return the exit status."""
    number, failure = error.get_first_failure()
    if failure.exitcode == REFUSED:
        return REFUSED
    cause = failure.signal_name() if failure.exitcode < 0 else f"exit status {failure.exitcode}"
    print_error(
        f"training {name}: process {number} (its rank) died of {cause}, so the others were ended too; the same "
        "command goes on from the last whole epoch"
    )
    return 1
