"""Batches of the packed store, or of features, for PyTorch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stages.backends.lightning.ahead import Ahead
from stages.backends.lightning.augment import Views
from stages.backends.lightning.hardware import device
from stages.backends.lightning.resident import Resident, settled
from stages.config.schema import LightningTrain
from stages.core.console import console
from stages.core.distributed import read_dist_env
from stages.preprocess.store import Split
from stages.train.order import Order, Part, Shared

CPU = torch.device("cpu")
IGNORED = -100  # the label that PyTorch's cross-entropy leaves out
LEAST = 2  # images of a part to train on: batch normalisation cannot do so on one


class Batch(NamedTuple):
    """Images (uint8, N x H x W x 3) or features (float32, N x …), labels (int64, N), draws (N x WIDTH, or N x 0).

    `whole` (int64) is how many images the batch has on all devices; those with the label IGNORED are none of them.
    """

    images: Tensor
    labels: Tensor
    draws: Tensor
    whole: Tensor


Loader = DataLoader[Batch] | Ahead


class Batches(Dataset[Batch]):
    """Whole batches by their row numbers: one copy out of the memory map or on the device, no work for each image."""

    def __init__(self, variants: Sequence[Split], order: Shared, views: Views | None = None) -> None:
        self.variants, self.order, self.views = variants, order, views

    def __getitem__(self, part: Part) -> Batch:
        """Return a part of a batch of the variant that the epoch sees."""
        rows, epoch = part.rows, self.order.order.epoch
        split = self.variants[epoch % len(self.variants)]
        draws = np.empty((len(rows), 0), np.float32)
        if self.views is not None:
            draws = self.views.draws([split.paths[row] for row in rows], self.views.of(epoch))
        images, labels, whole = split.images[rows], split.labels[rows], np.int64(part.whole)
        batch = Batch(*map(torch.as_tensor, (images, labels, draws, whole)))
        batch.labels[len(rows) - part.padding :] = IGNORED
        return batch


class Data(LightningDataModule):
    """Training and validation batches; epochs take the variants of the training split in turn.

    With `views` the images are changed on their way through the network, by draws that come with each batch.
    """

    def __init__(self, train: Sequence[Split], val: Split, config: LightningTrain, views: Views | None = None) -> None:
        super().__init__()
        *self.train, self.val = settled([*train, val], config)
        self.config, self.views = config, views
        self.where = device(config)
        self.train_order = part(Order(len(self.train[0]), config.batch_size, config.seed), LEAST)
        if filled := self.train_order.filled():
            console.print(f"pictures that weigh nothing: {filled} an epoch, to give every device {LEAST} of a batch")

    def train_dataloader(self) -> Loader:
        """Return the training batches, shuffled anew each epoch."""
        return loader(Batches(self.train, self.train_order, self.views), self.where)

    def val_dataloader(self) -> Loader:
        """Return the validation batches, in order."""
        order = Order(len(self.val), self.config.batch_size)
        return loader(Batches([self.val], part(order)), self.where)


def part(order: Order, least: int = 1) -> Shared:
    """Return this process's part of an order."""
    found = read_dist_env()
    return Shared(order, found.rank, found.world_size, least)


def loader(batches: Batches, where: torch.device = CPU) -> Loader:
    """Return batches as Lightning takes them; what does not lie on a GPU yet is copied ahead of its steps."""
    streamed = where.type == "cuda" and not isinstance(batches.variants[0].images, Resident)
    made = DataLoader(batches, sampler=batches.order, batch_size=None, pin_memory=streamed)
    return Ahead(made, where) if streamed else made
