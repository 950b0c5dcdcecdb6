"""The order of the images: it depends on nothing but (seed, epoch)."""

from collections.abc import Iterator

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
