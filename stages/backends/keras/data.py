"""Batches of the packed store for Keras."""

import numpy as np
import numpy.typing as npt
from keras.utils import PyDataset

from stages.config.schema import KerasTrain
from stages.preprocess.store import Images, Split
from stages.train.order import Order

Batch = tuple[Images, npt.NDArray[np.int64]]
Weighted = tuple[Images, npt.NDArray[np.int64], npt.NDArray[np.float32]]


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


class Evened(Batches):
    """Batches that devices share evenly: images that weigh nothing fill up one that they cannot.

    The others weigh as much more as makes the mean over all the mean over themselves (float32, N).
    """

    def __init__(self, split: Split, order: Order, devices: int) -> None:
        super().__init__(split, order)
        self.devices = devices

    def __getitem__(self, number: int) -> Weighted:  # type: ignore[override]
        """Return a batch by its number, and its images' weights."""
        rows = self.rows[number]
        padding = -len(rows) % self.devices
        whole = np.concatenate([rows, np.resize(rows, padding)])
        weights = np.zeros(len(whole), np.float32)
        weights[: len(rows)] = len(whole) / len(rows)
        return self.split.images[whole], self.split.labels[whole, None], weights


def validation_of(split: Split, config: KerasTrain) -> Batches:
    """Return the validation batches, in order; a last one that is too small for all devices joins the one before."""
    batches = Batches(split, Order(len(split), config.batch_size))
    if len(batches.rows[-1]) < config.devices:
        batches.rows[-2:] = [np.concatenate(batches.rows[-2:])]
    return batches


def epoch_of(split: Split, config: KerasTrain, epoch: int) -> Batches:
    """Return an epoch of training batches, in the order of (seed, epoch)."""
    order = Order(len(split), config.batch_size, config.seed)
    order.set_epoch(epoch)
    return Evened(split, order, config.devices) if config.devices > 1 else Batches(split, order)
