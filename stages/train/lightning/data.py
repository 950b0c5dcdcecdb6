"""Batches of the packed store for PyTorch."""

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stages.preprocess.store import Split
from stages.train.order import Indices, Order

Batch = tuple[Tensor, Tensor]


class Batches(Dataset[Batch]):
    """Whole batches by their row numbers: one copy out of the memory map, no work for each image."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __getitem__(self, rows: Indices) -> Batch:
        """Return images (uint8, N x H x W x 3), or their features (float32, N x …), and labels (int64, N)."""
        return torch.from_numpy(self.split.images[rows]), torch.from_numpy(self.split.labels[rows])


class Data(LightningDataModule):
    """Training and validation batches."""

    def __init__(self, train: Split, val: Split, batch_size: int, seed: int) -> None:
        super().__init__()
        self.train, self.val = train, val
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
