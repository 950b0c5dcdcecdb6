"""The processes that train together: how they meet, and what the first does before the others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from stages.config.schema import Train
from stages.core.distributed import TORCHRUN, read_dist_env
from stages.core.errors import UserError

SILENCE = timedelta(minutes=10)  # after which a process that does not answer counts as hung
PATIENCE = timedelta(days=30)  # for what the first does alone: waiting for its turn, computing features


@contextmanager
def joined(config: Train) -> Iterator[None]:
    """Hold this process in the group of all; where it is the only one, there is none."""
    found = read_dist_env()
    if found.world_size == 1:
        yield
        return
    import torch
    from torch import distributed

    meeting_point()
    on_gpu = torch.cuda.is_available() and config.accelerator != "cpu"
    if on_gpu:
        torch.cuda.set_device(found.local_rank)
    backend = "nccl" if on_gpu else "gloo"
    distributed.init_process_group(backend, rank=found.rank, world_size=found.world_size, timeout=SILENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def meeting_point() -> None:
    """Tell PyTorch where to meet; srun names the machines, torchrun has done it."""
    if all(name in os.environ for name in TORCHRUN):
        return
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    # Lightning insists on a variable that srun sets only where --ntasks-per-node is said
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(read_dist_env().local_world_size))
    known = SLURMEnvironment()
    os.environ |= {"MASTER_ADDR": known.main_address, "MASTER_PORT": str(known.main_port)}


def follow_first(what: str) -> None:
    """Wait, however long it takes, until the first process has come to the same place; it goes on at once."""
    found = read_dist_env()
    if found.world_size == 1:
        return
    from torch.distributed.distributed_c10d import _get_default_store

    store = _get_default_store()
    if found.is_main:
        store.set(what, "reached")
    else:
        store.wait([what], PATIENCE)


@contextmanager
def first(what: str) -> Iterator[None]:
    """Let the first process do something before the others do."""
    if not read_dist_env().is_main:
        follow_first(what)
    yield
    if read_dist_env().is_main:
        follow_first(what)


def require_shared(epochs: int, scratch: Path) -> None:
    """Raise a UserError where the processes do not see the same checkpoints, by how many epochs these hold."""
    if read_dist_env().world_size == 1:
        return
    from torch import distributed

    seen: list[int | None] = [None] * read_dist_env().world_size
    distributed.all_gather_object(seen, epochs)
    if len(set(seen)) > 1:
        raise UserError(
            f"{scratch}: not the same on every machine (epochs that its checkpoint holds: {seen}); "
            "the project must lie on a disk that all of them share"
        )
