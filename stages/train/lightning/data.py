"""Batches of the packed store, or of features, for PyTorch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stages.preprocess.store import Split
from stages.train.lightning.augment import Views
from stages.train.order import Indices, Order


class Batch(NamedTuple):
    """Images (uint8, N x H x W x 3) or features (float32, N x …), labels (int64, N), draws (N x WIDTH, or N x 0)."""

    images: Tensor
    labels: Tensor
    draws: Tensor


class Batches(Dataset[Batch]):
    """Whole batches by their row numbers: one copy out of the memory map, no work for each image."""

    def __init__(self, variants: Sequence[Split], order: Order, views: Views | None = None) -> None:
        self.variants, self.order, self.views = variants, order, views

    def __getitem__(self, rows: Indices) -> Batch:
        """Return a batch of the variant that the epoch sees."""
        split = self.variants[self.order.epoch % len(self.variants)]
        draws = np.empty((len(rows), 0), np.float32)
        if self.views is not None:
            draws = self.views.draws([split.paths[row] for row in rows], self.views.of(self.order.epoch))
        return Batch(*map(torch.from_numpy, (split.images[rows], split.labels[rows], draws)))


class Data(LightningDataModule):
    """Training and validation batches; epochs take the variants of the training split in turn.

    With `views` the images are changed on their way through the network, by draws that come with each batch.
    """

    def __init__(
        self, train: Sequence[Split], val: Split, batch_size: int, seed: int, views: Views | None = None
    ) -> None:
        super().__init__()
        self.train, self.val, self.views = train, val, views
        self.batch_size, self.seed = batch_size, seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches, shuffled anew each epoch."""
        order = Order(len(self.train[0]), self.batch_size, self.seed)
        return loader(Batches(self.train, order, self.views))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation batches, in order."""
        return loader(Batches([self.val], Order(len(self.val), self.batch_size)))


def loader(batches: Batches) -> DataLoader[Batch]:
    """Return batches as PyTorch takes them."""
    return DataLoader(batches, sampler=batches.order, batch_size=None, pin_memory=torch.cuda.is_available())
