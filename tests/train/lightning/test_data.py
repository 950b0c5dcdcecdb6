from pathlib import Path

import torch

from stages.preprocess.store import Store
from stages.train.lightning.data import loader


def test_batches_are_raw_pixels(prepared: Path) -> None:
    split = Store(prepared).split("val")
    images, labels = next(iter(loader(split, 4)))
    assert images.dtype == torch.uint8
    assert tuple(images.shape) == (4, 48, 48, 3)
    assert labels.tolist() == split.labels[:4].tolist()
