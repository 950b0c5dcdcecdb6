"""Training with Keras: the same words, files and guarantees as with Lightning."""

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.progress import Progress
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from stages.backends.keras import backend
from stages.backends.keras.data import Batches, epoch_of, validation_of
from stages.backends.keras.weights import initialise
from stages.config.schema import KerasTrain
from stages.core.console import console, create_progress
from stages.core.errors import UserError, first_line
from stages.core.files import atomic_file
from stages.core.registry import NETWORKS, load_module
from stages.preprocess.store import Store
from stages.train.freeze import frozen
from stages.train.history import Report, Row, Trained, best, exhausted, tell
from stages.train.model import build
from stages.train.order import Order
from stages.train.schedule import factor, rate

METRICS = {"train_loss": "loss", "train_accuracy": "accuracy", "val_loss": "val_loss", "val_accuracy": "val_accuracy"}
PRECISIONS = {"32-true": "float32", "bf16-mixed": "mixed_bfloat16", "16-mixed": "mixed_float16"}


def prepare(config: KerasTrain, store: Store, plugins: list[str]) -> keras.Model:
    """Return the network as training begins with it, compiled; what is wrong with network or weights shows here."""
    backend.require_devices(config)
    if config.accelerator in ("gpu", "cuda") and not backend.gpu(config.backend):
        raise UserError(f"accelerator {config.accelerator}: {config.backend} sees no GPU; say auto or cpu")
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    if config.deterministic and backend.gpu(config.backend):
        backend.make_deterministic(config.backend)
    keras.config.set_dtype_policy(PRECISIONS[precision(config)])
    several = backend.scope(config.backend, config.devices, config.accelerator == "cpu")
    with several, device(config):
        network = build(config.framework, config.network, len(store.labels), store.size, plugins)
        keras.config.set_dtype_policy("float32")
        module = load_module(NETWORKS[config.framework], str(config.network["name"]), plugins)
        initialise(network, config.weights, module)
        freeze(network, config.freeze, getattr(module, "HEAD", None))
        batches = Order(len(store.split("train")), config.batch_size, config.seed)
        compile_network(network, config, config.epochs * len(batches))
    return network


def freeze(network: keras.Model, rule: str | list[str], head: str | None) -> None:
    """Take from training the weights that a rule names by their paths; a layer that keeps none is frozen whole."""
    layers = network._flatten_layers(include_self=False, recursive=True)
    owned = [(layer, [weight for weight in layer._trainable_variables if weight.trainable]) for layer in layers]
    still = frozen([weight.path for layer, own in owned for weight in own], rule, head)
    for layer, own in owned:
        if own and not layer._layers and all(weight.path in still for weight in own):
            layer.trainable = False
        for weight in own:
            weight.trainable = weight.path not in still


def precision(config: KerasTrain) -> str:
    """Return the precision; `auto` is bf16 where the GPU has it."""
    if config.precision != "auto":
        return config.precision
    if config.accelerator == "cpu" or not backend.gpu(config.backend):
        return "32-true"
    if config.backend != "torch":
        return "bf16-mixed"
    import torch

    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"


def device(config: KerasTrain) -> Any:
    """Return the context that training runs in: the CPU where the config says so, else what the backend prefers.

    Several devices are named when the network is built.
    """
    alone = config.accelerator == "cpu" and config.devices == 1
    return keras.device("cpu:0") if alone else nullcontext()


def compile_network(network: keras.Model, config: KerasTrain, steps: int) -> None:
    """Give the network its loss, metric, and an optimiser for so many steps."""
    slow = sorted({layer.name for layer in network._flatten_layers() if not layer.supports_jit})
    if config.jit and config.backend == "tensorflow" and slow:
        raise UserError(
            f"jit: XLA on tensorflow cannot compile {', '.join(slow)}; say jit: false, another backend, "
            "or switch these layers off (network.flip, network.rotation)"
        )
    binary = network.output_shape[-1] == 1
    network.compile(
        optimizer=make_optimizer(config, steps),
        loss="binary_crossentropy" if binary else "sparse_categorical_crossentropy",
        **{"metrics" if config.devices == 1 else "weighted_metrics": ["accuracy"]},
        jit_compile=config.jit,
    )
    network.optimizer.build(network.trainable_variables)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The learning rate of every step, looked up: every backend computes the same."""

    def __init__(self, rates: list[float]) -> None:
        self.rates = np.asarray(rates, "float32")

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step; the last one stays."""
        rates = keras.ops.convert_to_tensor(self.rates)
        return keras.ops.take(rates, keras.ops.minimum(keras.ops.cast(step, "int32"), len(self.rates) - 1))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras writes down of it."""
        return {"rates": self.rates.tolist()}


def make_optimizer(config: KerasTrain, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimiser for a training of so many steps."""
    peak = rate(config)
    rates = [peak * factor(config.schedule, config.warmup, step, steps) for step in range(steps)]
    chosen = config.optimizer
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}[chosen.name]
    moments = {"beta_1": chosen.betas[0], "beta_2": chosen.betas[1]}
    return kind(
        learning_rate=peak if len(set(rates)) == 1 else Schedule(rates),
        weight_decay=chosen.weight_decay or None,
        global_clipnorm=config.gradient_clip_norm or None,
        gradient_accumulation_steps=config.accumulate_grad_batches if config.accumulate_grad_batches > 1 else None,
        **({"momentum": chosen.momentum} if chosen.name == "sgd" else moments),
    )


def train(network: keras.Model, config: KerasTrain, store: Store, scratch: Path, report: Report) -> Trained:
    """Train a network; `scratch` holds the checkpoints from which a killed run goes on."""
    train_split, val_split = store.split("train"), store.split("val")
    scratch.mkdir(parents=True, exist_ok=True)
    last, kept = scratch / "last.safetensors", scratch / "best.safetensors"
    rows = resume(network, last)
    validation = validation_of(val_split, config)
    with device(config):
        while not exhausted(rows, config):
            began = time.monotonic()
            batches = epoch_of(train_split, config, len(rows))
            rows.append(fit_epoch(network, config, batches, validation, len(rows)))
            if best(rows, config) is rows[-1]:
                keep(kept, network, rows)
            keep(last, network, rows)
            report(rows[-1])
            tell(rows[-1], config.epochs, len(train_split), began)
    restore(network, kept)
    return Trained(network, rows, best(rows, config))


def fit_epoch(network: keras.Model, config: KerasTrain, batches: Batches, validation: Batches, epoch: int) -> Row:
    """Train one epoch and validate it; return its row."""
    with create_progress(transient=True) as bar:
        found = network.fit(
            batches,
            shuffle=False,
            validation_data=validation,
            verbose=0,
            callbacks=[Epoch(bar, config, epoch, len(batches))],
        ).history
    lr = float(keras.ops.convert_to_numpy(network.optimizer.learning_rate))
    return {"epoch": epoch + 1, **{name: float(found[key][0]) for name, key in METRICS.items()}, "lr": lr}


class Epoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reseeds as an epoch begins, and shows how far it is."""

    def __init__(self, bar: Progress, config: KerasTrain, epoch: int, steps: int) -> None:
        super().__init__()
        self.bar, self.seed, self.epoch = bar, config.seed, epoch
        self.task = bar.add_task(f"epoch {epoch + 1}/{config.epochs}", total=steps)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Reseed: here, since building a network for its first `fit` draws numbers too."""
        reseed(self.model, self.seed, self.epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Move the bar."""
        self.bar.advance(self.task)


def reseed(network: keras.Model, seed: int, epoch: int) -> None:
    """Reseed by (seed, epoch): dropout and augmentation are then the same in a resumed run."""
    keras.utils.set_random_seed((seed * 100_003 + epoch) % 2**32)  # on torch, dropout draws from torch's own state
    states = np.random.default_rng((seed, epoch))
    for variable in network.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(states.integers(2**31, size=variable.shape).astype(variable.dtype))


def everything(network: keras.Model) -> list[Any]:
    """Return every number that training changes: weights, statistics, seeds, the optimiser's moments."""
    return [*network.variables, *network.optimizer.variables]


def keep(path: Path, network: keras.Model, rows: list[Row]) -> None:
    """Write a checkpoint, atomically: what training changes, and the rows so far."""
    arrays = {f"{number:04d}": keras.ops.convert_to_numpy(value) for number, value in enumerate(everything(network))}
    with atomic_file(path) as scratch:
        save_file(arrays, scratch, {"rows": json.dumps(rows)})


def resume(network: keras.Model, last: Path) -> list[Row]:
    """Go on from a killed run's checkpoint and return its rows; one that cannot be read is removed."""
    if not last.exists():
        return []
    try:
        with safe_open(last, "numpy") as opened:
            rows: list[Row] = json.loads(opened.metadata()["rows"])
        restore(network, last)
    except (SafetensorError, OSError) as error:
        console.print(f"{last}: cannot be read ({first_line(error)}); starting anew", markup=False)
        last.unlink()
        return []
    return rows


def restore(network: keras.Model, path: Path) -> None:
    """Take every number from a checkpoint."""
    arrays = load_file(path)
    for number, variable in enumerate(everything(network)):
        variable.assign(arrays[f"{number:04d}"])
