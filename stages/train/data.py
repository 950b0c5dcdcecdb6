"""Batches of the packed store, in an order that depends on nothing but (seed, epoch)."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from stages.preprocess.store import Split, Store

Batch = tuple[Tensor, Tensor]
Indices = npt.NDArray[np.int64]


class Batches(Dataset[Batch]):
    """Whole batches by their row numbers: one copy out of the memory map, no work for each image."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __getitem__(self, rows: Indices) -> Batch:
        """Return images (uint8, N x H x W x 3) and labels (int64, N)."""
        return torch.from_numpy(self.split.images[rows]), torch.from_numpy(self.split.labels[rows])


class Order(Sampler[Indices]):
    """Row numbers of each batch; shuffled by (seed, epoch), so that a resumed run sees what an unbroken one does."""

    def __init__(self, count: int, batch_size: int, seed: int | None = None) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.epoch = epoch

    def _starts(self) -> list[int]:
        starts = list(range(0, self.count, self.batch_size))
        # Batch normalisation cannot train on one image: a last batch of one joins the batch before it.
        alone = self.seed is not None and len(starts) > 1 and self.count - starts[-1] == 1
        return starts[:-1] if alone else starts

    def __iter__(self) -> Iterator[Indices]:
        rows = np.arange(self.count)
        if self.seed is not None:
            np.random.default_rng((self.seed, self.epoch)).shuffle(rows)
        starts = self._starts()
        for start, end in zip(starts, [*starts[1:], self.count], strict=True):
            yield rows[start:end]

    def __len__(self) -> int:
        return len(self._starts())


class Data(LightningDataModule):
    """A prepared dataset's training and validation batches."""

    def __init__(self, store: Store, batch_size: int, seed: int) -> None:
        super().__init__()
        self.train, self.val = store.split("train"), store.split("val")
        self.batch_size, self.seed = batch_size, seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches, shuffled anew each epoch."""
        return loader(self.train, self.batch_size, self.seed)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation batches, in order."""
        return loader(self.val, self.batch_size)


def loader(split: Split, batch_size: int, seed: int | None = None) -> DataLoader[Batch]:
    """Return a split's batches; shuffled if there is a seed."""
    order = Order(len(split), batch_size, seed)
    return DataLoader(Batches(split), sampler=order, batch_size=None, pin_memory=torch.cuda.is_available())
