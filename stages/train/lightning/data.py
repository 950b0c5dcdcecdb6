"""Batches of the packed store, or of features, for PyTorch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stages.preprocess.store import Split
from stages.schema import Lightning
from stages.train.lightning.ahead import Ahead
from stages.train.lightning.augment import Views
from stages.train.lightning.hardware import device
from stages.train.lightning.resident import Resident, settled
from stages.train.order import Indices, Order

CPU = torch.device("cpu")


class Batch(NamedTuple):
    """Images (uint8, N x H x W x 3) or features (float32, N x …), labels (int64, N), draws (N x WIDTH, or N x 0)."""

    images: Tensor
    labels: Tensor
    draws: Tensor


Loader = DataLoader[Batch] | Ahead


class Batches(Dataset[Batch]):
    """Whole batches by their row numbers: one copy out of the memory map or on the device, no work for each image."""

    def __init__(self, variants: Sequence[Split], order: Order, views: Views | None = None) -> None:
        self.variants, self.order, self.views = variants, order, views

    def __getitem__(self, rows: Indices) -> Batch:
        """Return a batch of the variant that the epoch sees."""
        split = self.variants[self.order.epoch % len(self.variants)]
        draws = np.empty((len(rows), 0), np.float32)
        if self.views is not None:
            draws = self.views.draws([split.paths[row] for row in rows], self.views.of(self.order.epoch))
        return Batch(*map(torch.as_tensor, (split.images[rows], split.labels[rows], draws)))


class Data(LightningDataModule):
    """Training and validation batches; epochs take the variants of the training split in turn.

    With `views` the images are changed on their way through the network, by draws that come with each batch.
    """

    def __init__(self, train: Sequence[Split], val: Split, config: Lightning, views: Views | None = None) -> None:
        super().__init__()
        *self.train, self.val = settled([*train, val], config)
        self.config, self.views = config, views
        self.where = device(config)

    def train_dataloader(self) -> Loader:
        """Return the training batches, shuffled anew each epoch."""
        order = Order(len(self.train[0]), self.config.batch_size, self.config.seed)
        return loader(Batches(self.train, order, self.views), self.where)

    def val_dataloader(self) -> Loader:
        """Return the validation batches, in order."""
        return loader(Batches([self.val], Order(len(self.val), self.config.batch_size)), self.where)


def loader(batches: Batches, where: torch.device = CPU) -> Loader:
    """Return batches as Lightning takes them; what does not lie on a GPU yet is copied ahead of its steps."""
    streamed = where.type == "cuda" and not isinstance(batches.variants[0].images, Resident)
    made = DataLoader(batches, sampler=batches.order, batch_size=None, pin_memory=streamed)
    return Ahead(made, where) if streamed else made
