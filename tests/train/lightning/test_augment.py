from dataclasses import replace

import torch

from stages.schema import Augment
from stages.train.lightning.augment import active, augment, warp

OFF = Augment(p=1.0, hflip=0.0, rotation=0.0, crop=1.0, brightness=0.0, contrast=0.0)
IMAGES = torch.rand(16, 3, 20, 20, generator=torch.Generator().manual_seed(0))


def test_off_is_off() -> None:
    assert not active(OFF)
    assert not active(replace(OFF, p=0.0, hflip=1.0))
    assert augment(IMAGES, OFF) is IMAGES


def test_a_flip_is_a_flip() -> None:
    assert torch.equal(augment(IMAGES, replace(OFF, hflip=1.0)), IMAGES.flip(-1))


def test_each_image_is_drawn_by_itself() -> None:
    torch.manual_seed(0)
    changed = augment(IMAGES, replace(OFF, hflip=0.5))
    flipped = [bool(torch.equal(new, old.flip(-1))) for new, old in zip(changed, IMAGES, strict=True)]
    assert 0 < sum(flipped) < len(IMAGES)


def test_p_is_the_share_of_changed_images() -> None:
    torch.manual_seed(0)
    changed = augment(IMAGES.repeat(20, 1, 1, 1), replace(OFF, p=0.2, brightness=0.5))
    share = (changed != IMAGES.repeat(20, 1, 1, 1)).flatten(1).any(1).float().mean()
    assert 0.1 < share < 0.3


def test_every_change_keeps_shape_and_range() -> None:
    torch.manual_seed(0)
    changed = augment(IMAGES, Augment(p=1.0, hflip=0.5, rotation=30.0, crop=0.5, brightness=0.4, contrast=0.4))
    assert changed.shape == IMAGES.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1


def test_a_warp_without_change_is_the_identity() -> None:
    torch.manual_seed(0)
    assert torch.allclose(warp(IMAGES, replace(OFF, crop=0.999999)), IMAGES, atol=1e-3)
