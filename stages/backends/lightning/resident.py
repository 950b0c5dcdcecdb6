"""Splits whose images lie on the device, where batches are gathered: nothing is copied at a step but row numbers."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.backends.lightning.hardware import device
from stages.config.schema import LightningTrain
from stages.core.console import track
from stages.core.errors import UserError
from stages.preprocess.store import Split
from stages.train.order import Indices

SHARE = 0.4  # of the GPU's free memory; the rest is for the network, its gradients and what they follow from
ROWS = 1024  # copied at once


class Resident:
    """Images (N x …), or what was computed from them, on a device; `[rows]` gathers there."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Indices) -> Tensor:
        return self.rows.index_select(0, torch.from_numpy(rows).to(self.rows.device, non_blocking=True))


def settled(splits: Sequence[Split], config: LightningTrain) -> list[Split]:
    """Return the splits, on the device where the config wants them there and they fit, else as they are."""
    where = device(config)
    return [on(where, split) for split in splits] if wanted(size(splits), config) else list(splits)


def wanted(needed: int, config: LightningTrain) -> bool:
    """Return whether so many bytes are to lie on the device; raise a UserError where they must and cannot."""
    if config.on_device == "never":
        return False
    where = device(config)
    if where.type != "cuda":
        return config.on_device == "always"
    free, _ = torch.cuda.mem_get_info(where)
    if config.on_device == "always" and needed > free:
        raise UserError(
            f"on_device: always, but the pictures take {needed / 2**30:.1f} GB and the GPU has {free / 2**30:.1f} GB "
            "free; say on_device=auto or never, or a smaller preprocess.size"
        )
    return config.on_device == "always" or needed <= SHARE * free


def size(splits: Sequence[Split]) -> int:
    """Return how many bytes the images of all splits are."""
    return sum(math.prod(split.images.shape) * split.images.dtype.itemsize for split in splits)


def on(where: torch.device, split: Split) -> Split:
    """Return a split whose images and labels lie on a device."""
    images = split.images
    rows = torch.empty(images.shape, dtype=torch.from_numpy(np.empty(0, images.dtype)).dtype, device=where)
    starts = range(0, len(split), ROWS)
    for start in track(starts, len(starts), f"pictures to {where.type}"):
        part = slice(start, start + ROWS)
        rows[part] = torch.from_numpy(np.array(images[part]))
    labels: Any = Resident(torch.from_numpy(split.labels).to(where))
    return replace(split, images=Resident(rows), labels=labels)
