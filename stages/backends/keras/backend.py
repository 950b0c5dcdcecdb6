"""Which backend Keras computes with: chosen before Keras is imported, since it cannot be changed afterwards."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from stages.config.schema import KerasTrain
from stages.core.errors import UserError
from stages.core.system import cpu_count

APART = "start another, or sweep with hydra/launcher=joblib"


def choose(name: str, threads: int = 0) -> None:
    """Choose the backend and its CPU threads (0: one for each core)."""
    if importlib.util.find_spec(name) is None:
        raise UserError(f"backend {name}: the package is not installed; install it, or say tensorflow or torch")
    chosen = sys.modules["keras"].backend.backend() if "keras" in sys.modules else name
    if chosen != name:
        raise UserError(f"backend {name}: this process computes with {chosen} already; {APART}")
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    set_threads(name, threads or cpu_count())


def set_threads(name: str, threads: int) -> None:
    """Bound the CPU threads; TensorFlow takes them only before its first operation."""
    if name == "tensorflow":
        with quiet():
            import tensorflow

        known = tensorflow.config.threading
        if threads == known.get_intra_op_parallelism_threads():
            return
        try:
            known.set_intra_op_parallelism_threads(threads)
            known.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise UserError(f"threads {threads}: this process computes with another number already; {APART}") from error
    elif name == "torch":
        import torch

        torch.set_num_threads(threads)


def scope(name: str, devices: int, cpu: bool) -> AbstractContextManager[Any]:
    """Return the context in which a network is built for several devices: each has it whole and a part of every batch.

    Without a GPU they are parts of the CPU.
    """
    if devices == 1:
        return nullcontext()
    import tensorflow

    kind = "CPU" if cpu or not gpu(name) else "GPU"
    if kind == "CPU":
        divide(devices)
    names = [device.name for device in tensorflow.config.list_logical_devices(kind)]
    if len(names) < devices:
        raise UserError(f"devices {devices}: tensorflow sees {len(names)}; say trainer.devices={len(names)} or less")
    found: AbstractContextManager[Any] = tensorflow.distribute.MirroredStrategy(names[:devices]).scope()
    return found


def require_devices(config: KerasTrain) -> None:
    """Raise a UserError for several devices where Keras would not train on them as it does on one."""
    several = f"with devices {config.devices}"
    if config.devices == 1:
        return
    if config.backend != "tensorflow":
        raise UserError(
            f"devices {config.devices}: of Keras' backends only tensorflow trains on several; say trainer.devices=1"
        )
    if config.gradient_clip_norm:
        raise UserError(
            f"gradient_clip_norm {config.gradient_clip_norm:g}: {several} Keras clips the gradient of each "
            "device's part, not that of the batch; set gradient_clip_norm=0 or trainer.devices=1"
        )
    if config.accumulate_grad_batches > 1:
        raise UserError(
            f"accumulate_grad_batches {config.accumulate_grad_batches}: {several} Keras does not average over batches "
            "as it does with one; set accumulate_grad_batches=1 and a larger batch_size, or trainer.devices=1"
        )


def divide(devices: int) -> None:
    """Have TensorFlow take the CPU for so many devices; it does so only before its first operation."""
    import tensorflow

    known = tensorflow.config
    (cpu,) = known.list_physical_devices("CPU")
    if len(known.get_logical_device_configuration(cpu) or [cpu]) >= devices:
        return
    try:
        known.set_logical_device_configuration(cpu, [known.LogicalDeviceConfiguration()] * devices)
    except RuntimeError as error:
        raise UserError(f"devices {devices}: this process computes with another number already; {APART}") from error


def make_deterministic(name: str) -> None:
    """Let a GPU compute the same numbers on every run."""
    if name == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
    elif name == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    else:
        raise UserError(
            f"deterministic: {name} has no such switch; say false, or XLA_FLAGS=--xla_gpu_deterministic_ops=true"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Swallow what TensorFlow's C++ says on stderr while it loads; no setting of its own does."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def gpu(name: str) -> bool:
    """Return whether the backend sees a GPU."""
    if name == "torch":
        import torch

        return torch.cuda.is_available()
    if name == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    import jax  # type: ignore[import-not-found,unused-ignore]

    return str(jax.default_backend()) == "gpu"
