"""The order of the images: it depends on nothing but (seed, epoch), and each device takes its part of every batch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Order:
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


class Part(NamedTuple):
    """A device's rows of a batch of `whole` rows; the last `padding` of them weigh nothing."""

    rows: Indices
    whole: int
    padding: int


class Shared:
    """An order's batches, of which each of `size` devices takes its part: together they see every row once.

    All have as many parts; one smaller than `least` is filled up with rows of the batch that weigh nothing.
    """

    def __init__(self, order: Order, number: int = 0, size: int = 1, least: int = 1) -> None:
        self.order, self.number, self.size, self.least = order, number, size, least

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[Part]:
        return (self.part(rows) for rows in self.order)

    def part(self, rows: Indices) -> Part:
        """Return this device's part of a batch, the same number of rows for all, or one fewer for the last ones."""
        start = share(len(rows), self.size, self.number)
        own = rows[start : share(len(rows), self.size, self.number + 1)]
        padding = max(0, self.least - len(own)) if self.size > 1 else 0
        return Part(np.concatenate([own, np.resize(rows, padding)]), len(rows), padding)

    def filled(self) -> int:
        """Return how many rows that weigh nothing an epoch has, on all devices together."""
        if self.size == 1:
            return 0
        devices = [Shared(self.order, number, self.size, self.least) for number in range(self.size)]
        return sum(device.part(rows).padding for rows in self.order for device in devices)

    def __len__(self) -> int:
        return len(self.order)


def share(count: int, size: int, number: int) -> int:
    """Return where a device's part of so many rows begins."""
    return number * (count // size) + min(number, count % size)
