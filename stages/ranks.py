"""Which of a command's several processes this is, as torchrun or srun say it."""

import os
import time
from dataclasses import dataclass

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
SRUN = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
TASKS, NODE = "SLURM_STEP_TASKS_PER_NODE", "SLURM_NODEID"
STEP = "SLURM_STEP_ID"  # srun sets it; in a batch script that starts Python itself SLURM_NTASKS speaks of nobody
GRACE = 2.0  # seconds


@dataclass(frozen=True)
class Rank:
    """A process's number among `size`, and its number among the `beside` ones on its machine."""

    number: int = 0
    size: int = 1
    local: int = 0
    beside: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which alone writes and speaks."""
        return self.number == 0


def rank() -> Rank:
    """Return which process this is: the only one, unless a launcher says otherwise."""
    if all(name in os.environ for name in TORCHRUN):
        return Rank(*(int(os.environ[name]) for name in TORCHRUN))
    if STEP in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        tasks = tasks_per_node(os.environ.get(TASKS, "1"))
        number, size, local = (int(os.environ[name]) for name in SRUN)
        return Rank(number, size, local, tasks[int(os.environ.get(NODE, "0"))])
    return Rank()


def tasks_per_node(words: str) -> list[int]:
    """Return how many tasks each machine of a step has, from srun's words: `2(x3),1` is 2, 2, 2 and 1."""
    pairs = [word.rstrip(")").split("(x") for word in words.split(",")]
    return [int(count) for count, *times in pairs for _ in range(int(times[0]) if times else 1)]


def give_way() -> None:
    """Wait where the first process is likely to say the same, and to end this one."""
    if not rank().leads:
        time.sleep(GRACE)
