"""The rank of this process among those that torchrun or srun started."""

import os
import time
from dataclasses import dataclass

GRACE = 2.0  # seconds that other ranks leave rank 0 to print an error and to end the group

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_SRUN = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
# Only srun sets the step's id: in a batch script that starts Python itself, SLURM_NTASKS does not count processes.
_STEP = "SLURM_STEP_ID"


@dataclass(frozen=True)
class DistEnv:
    """Rank and world size of this process, over all machines and on its own."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, the only one that writes and prints."""
        return self.rank == 0


def read_dist_env() -> DistEnv:
    """Reads rank and world size from the environment; a process that no launcher started is alone."""
    if all(name in os.environ for name in TORCHRUN):
        return DistEnv(*(int(os.environ[name]) for name in TORCHRUN))
    if _STEP in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        tasks = parse_tasks_per_node(os.environ.get("SLURM_STEP_TASKS_PER_NODE", "1"))
        rank, world_size, local_rank = (int(os.environ[name]) for name in _SRUN)
        return DistEnv(rank, world_size, local_rank, tasks[int(os.environ.get("SLURM_NODEID", "0"))])
    return DistEnv()


def parse_tasks_per_node(text: str) -> list[int]:
    """Expands srun's notation: "2(x3),1" becomes [2, 2, 2, 1]."""
    pairs = [part.rstrip(")").split("(x") for part in text.split(",")]
    return [int(count) for count, *times in pairs for _ in range(int(times[0]) if times else 1)]


def wait_for_main_error() -> None:
    """Sleeps `GRACE` seconds on ranks other than 0, so that rank 0 prints the error once and ends the group."""
    if not read_dist_env().is_main:
        time.sleep(GRACE)
