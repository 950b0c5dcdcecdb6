"""A Lightning step against a bare PyTorch loop: the same network, data, order and optimiser."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as functional
from pytorch_lightning.callbacks import Callback, RichProgressBar

from benchmarks.timing import Ratio, compare
from stages.backends.lightning.data import Batches, loader
from stages.backends.lightning.fit import make_module, quieten
from stages.backends.lightning.model import Input
from stages.backends.lightning.module import make_optimizer
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import LightningTrain
from stages.core.system import cpu_count
from stages.preprocess.store import Split
from stages.train.model import build
from stages.train.order import Order, Shared

IMAGES, SIZE, BATCH = 512, 64, 32


def split() -> Split:
    """Return random images, memory-mapped as a store's are."""
    file = Path(tempfile.mkdtemp()) / "train.npy"
    rng = np.random.default_rng(0)
    np.save(file, rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8))
    return Split(np.load(file, mmap_mode="r"), rng.integers(0, 2, IMAGES), [str(n) for n in range(IMAGES)])


class Clock(Callback):
    """Times the steps of an epoch, without setting up the trainer."""

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.start


def step() -> Ratio:
    """Train an epoch of base_cnn both ways."""
    quieten()
    torch.set_num_threads(cpu_count())
    train = validate(compose_tree()).models["base_cnn"].train
    assert isinstance(train, LightningTrain)
    config = train.model_copy(update={"epochs": 1, "batch_size": BATCH})
    data = split()

    def lightning() -> float:
        clock = Clock()
        module = make_module(build("lightning", config.network, 2, SIZE, []), config)
        options = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
        trainer = pl.Trainer(max_epochs=1, accelerator="cpu", callbacks=[RichProgressBar(), clock], **options)  # type: ignore[arg-type]
        trainer.fit(module, loader(Batches([data], Shared(Order(len(data), BATCH, seed=0)))))
        return clock.seconds

    def bare() -> float:
        network = build("lightning", config.network, 2, SIZE, []).train()
        given = Input(config.normalize.mean, config.normalize.std)
        optimizer = make_optimizer(network, config)
        start = time.perf_counter()
        for rows in Order(len(data), BATCH, seed=0):
            images, labels = torch.from_numpy(data.images[rows]), torch.from_numpy(data.labels[rows])
            optimizer.zero_grad()
            functional.cross_entropy(network(given(images)), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return time.perf_counter() - start

    claim = "a step of base_cnn by Lightning vs a bare loop"
    return compare(claim, lightning, bare, (IMAGES, "images"), "≥ 0.95 (1 / 1.05)", rounds=7)
