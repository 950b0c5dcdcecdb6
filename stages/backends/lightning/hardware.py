"""Where and how exactly PyTorch computes, as the config asks for it and the machine has it."""

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from stages.config.schema import LightningTrain
from stages.core.distributed import read_dist_env
from stages.core.errors import UserError
from stages.core.system import cpu_count

MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
AMPERE = (8, 0)  # the compute capability from which tensor cores know bf16 and TF32
WORTHWHILE = 5000  # steps: with fewer, compiling takes longer than it saves


@dataclass(frozen=True)
class Compute:
    """A device and a precision, for what is computed outside of Lightning's trainer."""

    device: torch.device
    precision: str

    def mixed(self) -> AbstractContextManager[Any]:
        """Return the context in which the trainer would compute."""
        kind = MIXED.get(self.precision)
        return torch.autocast(self.device.type, kind) if kind else nullcontext()


PLAIN = Compute(torch.device("cpu"), "32-true")


def compute(config: LightningTrain) -> Compute:
    """Return what the config asks for."""
    return Compute(device(config), precision(config))


def device(config: LightningTrain) -> torch.device:
    """Return this process's device."""
    on_gpu = torch.cuda.is_available() and config.accelerator != "cpu"
    if not on_gpu:
        return torch.device("cpu")
    found = read_dist_env()
    return torch.device("cuda", found.local_rank) if found.world_size > 1 else torch.device("cuda")


def modern(config: LightningTrain) -> bool:
    """Return whether this is a GPU with bf16; older ones only emulate it."""
    return device(config).type == "cuda" and torch.cuda.get_device_capability() >= AMPERE


def precision(config: LightningTrain) -> Any:
    """Return the precision; `auto` is bf16 where the GPU has it."""
    if config.precision != "auto":
        return config.precision
    return "bf16-mixed" if modern(config) else "32-true"


def channels_last(config: LightningTrain) -> bool:
    """Return whether weights lie in memory as pixels do; `auto` is yes on a GPU."""
    return config.channels_last == "always" or (config.channels_last == "auto" and device(config).type == "cuda")


def compiles(config: LightningTrain, steps: int) -> bool:
    """Return whether so many steps are worth compiling the network; `auto` needs a C compiler, as Triton does."""
    if config.compile != "auto":
        return config.compile == "always"
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    return modern(config) and steps >= WORTHWHILE and compiler is not None


def settle(config: LightningTrain) -> None:
    """Set what holds for the whole process on a GPU; call it before CUDA starts, since cuBLAS looks only then."""
    if device(config).type != "cuda":
        return
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(config.deterministic)
    torch.backends.cudnn.benchmark = not config.deterministic
    if config.precision == "auto":
        torch.set_float32_matmul_precision("high")


def strategy(config: LightningTrain) -> str:
    """Return how the gradients of several processes come together; one needs none."""
    if read_dist_env().world_size == 1:
        return "auto"
    return "ddp" if config.strategy == "auto" else config.strategy


def set_threads(config: LightningTrain) -> None:
    """Bound the CPU threads; the processes of one machine share its cores."""
    beside = read_dist_env().local_world_size
    threads = config.threads or max(1, cpu_count() // beside)
    torch.set_num_threads(threads)
    if beside > 1:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Lightning sets a number of its own where there is none


def require_devices(config: LightningTrain) -> None:
    """Raise a UserError for devices, or a way to use several, that this machine does not have."""
    if config.devices * config.num_nodes == 1:
        return
    gpus = torch.cuda.device_count() if device(config).type == "cuda" else 0
    if 0 < gpus < config.devices:
        raise UserError(f"devices {config.devices}: this machine has {gpus}; say trainer.devices={gpus} or less")
    if config.strategy == "fsdp" and not gpus:
        raise UserError("strategy fsdp: it shards over GPUs, and there is none here; say trainer.strategy=ddp")
    if config.strategy == "fsdp" and config.ema:
        raise UserError(f"strategy fsdp: it does not go with ema {config.ema:g}; say trainer.strategy=ddp or ema=0")
    if config.strategy == "fsdp" and config.gradient_clip_norm:
        raise UserError(
            f"strategy fsdp: it does not go with gradient_clip_norm {config.gradient_clip_norm:g}; "
            "say trainer.strategy=ddp or gradient_clip_norm=0"
        )
    if config.sync_batchnorm and not gpus:
        raise UserError("sync_batchnorm: PyTorch has it for GPUs only; say trainer.sync_batchnorm=false")
