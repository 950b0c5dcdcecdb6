"""Training with PyTorch Lightning: resumable, reproducible, best epoch kept."""

import logging
import time
import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from torch import nn

from stages.backends.lightning.augment import Views, active
from stages.backends.lightning.bar import Bar
from stages.backends.lightning.checkpoint import Beside
from stages.backends.lightning.data import Data
from stages.backends.lightning.features import Backbone, shared, training_features
from stages.backends.lightning.frozen import freeze, head_of
from stages.backends.lightning.hardware import (
    channels_last,
    compiles,
    device,
    precision,
    require_devices,
    set_threads,
    settle,
    strategy,
)
from stages.backends.lightning.module import LitClassifier, LitHead
from stages.backends.lightning.pooling import repeatable
from stages.backends.lightning.weights import initialise
from stages.config.schema import LightningTrain
from stages.core.console import console
from stages.core.distributed import read_dist_env
from stages.core.errors import first_line
from stages.core.registry import NETWORKS, load_module
from stages.preprocess.store import Store
from stages.train.group import first, require_shared
from stages.train.history import Report, Row, Trained, best, exhausted, tell
from stages.train.model import build


class History(Callback):
    """Collects a row of metrics each epoch; kept in the checkpoint, so a resumed run has them all."""

    def __init__(self, report: Report) -> None:
        self.rows: list[Row] = []
        self.report = report
        self.began = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Start the clock."""
        self.began = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's row; this comes before the checkpoint is written."""
        assert isinstance(pl_module, LitClassifier)
        means = pl_module.train_sums.means("train") | pl_module.val_sums.means("val")
        row = {"epoch": trainer.current_epoch + 1, **means, "lr": trainer.optimizers[0].param_groups[0]["lr"]}
        self.rows.append(row)
        self.report(row)
        if trainer.is_global_zero:
            tell(row, int(trainer.max_epochs or 0), int(pl_module.train_sums.count), self.began)

    def state_dict(self) -> dict[str, Any]:
        """Return what the checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.rows = state_dict["rows"]


@dataclass(frozen=True)
class Prepared:
    """A network as training begins with it, and the module that defines it."""

    network: nn.Module
    module: ModuleType

    @property
    def head(self) -> str | None:
        """The name of the part that turns features into logits, where the module names one."""
        return head_of(self.module)


def prepare(config: LightningTrain, store: Store, plugins: list[str]) -> Prepared:
    """Return the network as training begins with it; what is wrong with network or weights shows here."""
    quieten()
    require_devices(config)
    settle(config)
    set_threads(config)
    pl.seed_everything(config.seed, verbose=False)
    network: nn.Module = build(config.framework, config.network, len(store.labels), store.size, plugins)
    module = load_module(NETWORKS[config.framework], str(config.network["name"]), plugins)
    initialise(network, config.weights, module)
    prepared = Prepared(network, module)
    freeze(network, config.freeze, prepared.head)
    if config.deterministic and device(config).type == "cuda":
        repeatable(network)
    return prepared


def train(
    prepared: Prepared, config: LightningTrain, store: Store, scratch: Path, report: Report, together: bool = True
) -> Trained:
    """Train a network; `scratch` holds the checkpoints from which a killed run goes on.

    Of several processes the first alone returns the best epoch's weights: it may remove the checkpoints meanwhile.
    """
    history = History(report)
    last = scratch / "last.ckpt"
    history.rows = rows_so_far(last, scratch / "best.ckpt")
    backbone = shared(prepared.network, prepared.module, config, store)
    part = backbone.head if backbone else prepared.network
    if together:
        require_shared(len(history.rows), scratch)  # all have read them: from here on the first may remove them
    if not exhausted(history.rows, config):
        trainer = make_trainer(config, scratch, history)
        with first(f"features for {scratch.name}"):
            module, data = work(prepared, backbone, config, store)
        if strategy(config) == "fsdp":
            module = deepcopy(module)  # its parameters become shards; those of the network stay whole
        ckpt_path = str(last) if last.exists() else None
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
        if trainer.interrupted:
            raise KeyboardInterrupt
    if not read_dist_env().is_main:
        return Trained(prepared.network, history.rows, best(history.rows, config))
    kept = restore_best(part, scratch / "best.ckpt")
    return Trained(prepared.network.cpu().eval(), history.rows, history.rows[kept])


def work(
    prepared: Prepared, backbone: Backbone | None, config: LightningTrain, store: Store
) -> tuple[LitClassifier, Data]:
    """Return what trains and on what: the network on pixels, or its head on features that are computed once."""
    if backbone is not None:
        train, val = training_features(backbone, config, store)
        return LitHead(backbone.head, config), Data(train, val, config)
    views = Views(config.seed, config.augment.num_views) if active(config.augment) else None
    data = Data([store.split("train")], store.split("val"), config, views)
    steps = config.epochs * len(data.train_dataloader())
    return make_module(prepared.network, config, prepared.head, compiles(config, steps)), data


def rows_so_far(last: Path, kept: Path) -> list[Row]:
    """Return the history in a killed run's checkpoint; one that cannot be read is removed, and training begins anew."""
    if not kept.exists():
        last.unlink(missing_ok=True)
    if not last.exists():
        return []
    try:
        rows: list[Row] = torch.load(last, "cpu", weights_only=True)["callbacks"]["History"]["rows"]
    except Exception as error:  # torch raises many kinds on a torn file
        console.print(f"{last}: cannot be read ({first_line(error)}); starting anew", markup=False)
        last.unlink(missing_ok=True)
        return []
    return rows


def quieten() -> None:
    """Silence Lightning's advertisements, and advice that does not apply to a packed store or a frozen part."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for advice in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists.*",
        ".*LeafSpec.*",
        ".*in eval mode.*",
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", advice)


def make_module(
    network: nn.Module, config: LightningTrain, head: str | None = None, compiled: bool = False
) -> LitClassifier:
    """Wrap a network for training: memory format, compilation. Compiled in place, it keeps its parameters' names."""
    if channels_last(config):
        network.to(memory_format=torch.channels_last)
    if compiled:
        network.compile(dynamic=False)
    return LitClassifier(network, config, head)


def make_trainer(config: LightningTrain, scratch: Path, history: History) -> pl.Trainer:
    """Return Lightning's trainer as the config asks for it."""
    return pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=strategy(config),
        sync_batchnorm=config.sync_batchnorm and read_dist_env().world_size > 1,
        use_distributed_sampler=False,  # each process takes its own part
        precision=precision(config),
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate_grad_batches,
        gradient_clip_val=config.gradient_clip_norm or None,
        deterministic=config.deterministic,
        callbacks=callbacks(config, scratch, history),
        plugins=[Beside()],
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def callbacks(config: LightningTrain, scratch: Path, history: History) -> list[Callback]:
    """Return history, early stopping, averaging and the two checkpoints: the best weights, and the last state."""
    chosen: list[Callback] = [Bar(), history]
    if config.patience:
        chosen.append(
            EarlyStopping(config.monitor, mode=config.mode, patience=config.patience, check_on_train_epoch_end=False)
        )
    if config.ema:
        chosen.append(EMAWeightAveraging(decay=config.ema))
    keep: dict[str, Any] = {"dirpath": scratch, "enable_version_counter": False, "save_on_train_epoch_end": False}
    # Averaged weights are swapped in only where a whole checkpoint is saved.
    slim = config.ema == 0
    chosen.append(
        ModelCheckpoint(filename="best", monitor=config.monitor, mode=config.mode, save_weights_only=slim, **keep)
    )
    # Saved after validation, never at the epoch's end: only then does a resumed run equal an unbroken one.
    chosen.append(ModelCheckpoint(filename="last", **keep))
    return chosen


def restore_best(network: nn.Module, checkpoint: Path) -> int:
    """Put the best epoch's weights into the network; return that epoch, counted from 0."""
    kept = torch.load(checkpoint, "cpu", weights_only=True)
    prefix = "network."
    state = {name[len(prefix) :]: value for name, value in kept["state_dict"].items() if name.startswith(prefix)}
    network.load_state_dict(state)
    return int(kept["epoch"])
