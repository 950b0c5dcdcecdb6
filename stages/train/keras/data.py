"""Batches of the packed store for Keras."""

import numpy as np
import numpy.typing as npt
from keras.utils import PyDataset

from stages.preprocess.store import Images, Split
from stages.train.order import Order

Batch = tuple[Images, npt.NDArray[np.int64]]


class Batches(PyDataset):  # type: ignore[misc]
    """One epoch of a split: images (uint8, N x H x W x 3) and labels (N x 1), copied out of the memory map."""

    def __init__(self, split: Split, order: Order) -> None:
        super().__init__()
        self.split = split
        self.rows = list(order)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Batch:
        """Return a batch by its number."""
        rows = self.rows[number]
        return self.split.images[rows], self.split.labels[rows, None]


def epoch_of(split: Split, batch_size: int, seed: int, epoch: int) -> Batches:
    """Return an epoch of training batches, in the order of (seed, epoch)."""
    order = Order(len(split), batch_size, seed)
    order.set_epoch(epoch)
    return Batches(split, order)
