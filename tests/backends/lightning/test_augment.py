import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as transforms

from stages.backends.lightning.augment import WIDTH, Draw, Views, active, augment, projected, tilted, warp, window
from stages.config.schema import Augment
from tests.conftest import replace

OFF = Augment(
    p=1.0, hflip=0.0, rotation=0.0, crop=1.0, ratio=1.0, brightness=0.0, contrast=0.0, perspective=0.0,
    perspective_p=0.5, num_views=0,
)  # fmt: skip
IMAGES = torch.rand(16, 3, 20, 20, generator=torch.Generator().manual_seed(0))
PATHS = [f"cat.{number}.jpg" for number in range(320)]


def draws(count: int = 16, view: int = 0) -> torch.Tensor:
    return torch.from_numpy(Views(1, 0).draws(PATHS[:count], view))


def fixed(**values: float) -> torch.Tensor:
    """Return one image's draws: a half but for those given."""
    found = torch.full((1, WIDTH), 0.5)
    for name, value in values.items():
        found[0, Draw[name]] = value
    return found


def test_off_is_off() -> None:
    assert not active(OFF)
    assert not active(replace(OFF, p=0.0, hflip=1.0))
    assert not active(replace(OFF, perspective=0.3, perspective_p=0.0))
    assert augment(IMAGES, OFF, draws()) is IMAGES


def test_a_flip_is_a_flip() -> None:
    assert torch.equal(augment(IMAGES, replace(OFF, hflip=1.0), draws()), IMAGES.flip(-1))


def test_each_image_is_drawn_by_itself() -> None:
    changed = augment(IMAGES, replace(OFF, hflip=0.5), draws())
    flipped = [bool(torch.equal(new, old.flip(-1))) for new, old in zip(changed, IMAGES, strict=True)]
    assert 0 < sum(flipped) < len(IMAGES)


def test_p_is_the_share_of_changed_images() -> None:
    many = IMAGES.repeat(20, 1, 1, 1)
    changed = augment(many, replace(OFF, p=0.2, brightness=0.5), draws(320))
    share = (changed != many).flatten(1).any(1).float().mean()
    assert 0.1 < share < 0.3


def test_every_change_keeps_shape_and_range() -> None:
    config = Augment(
        p=1.0, hflip=0.5, rotation=30.0, crop=0.08, ratio=1.33, brightness=0.4, contrast=0.4, perspective=0.3,
        perspective_p=0.5, num_views=0,
    )  # fmt: skip
    changed = augment(IMAGES, config, draws())
    assert changed.shape == IMAGES.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1


def test_what_happens_to_an_image_does_not_depend_on_its_batch() -> None:
    config = replace(OFF, p=0.5, rotation=30.0, crop=0.3, perspective=0.3, contrast=0.4)
    whole, alone = augment(IMAGES, config, draws()), augment(IMAGES[5:6], config, draws()[5:6])
    assert torch.allclose(whole[5:6], alone, atol=1e-6)


def test_a_warp_without_change_is_the_identity() -> None:
    assert torch.allclose(warp(IMAGES, replace(OFF, crop=0.999999), draws()), IMAGES, atol=1e-3)


def test_a_turn_alone_crops_and_stretches_nothing() -> None:
    kept = warp(torch.ones(16, 3, 20, 20), replace(OFF, rotation=1e-6, ratio=1.5), draws())
    assert torch.allclose(kept[..., 1:-1, 1:-1], torch.ones(1), atol=1e-4)
    assert torch.allclose(warp(IMAGES, replace(OFF, rotation=1e-6, ratio=1.5), draws()), IMAGES, atol=1e-3)


def test_a_window_has_the_area_that_is_drawn_and_lies_in_the_picture() -> None:
    place = window(replace(OFF, crop=0.08, ratio=1.33), draws(320))
    wide, high, x, y = place[:, 0, 0], place[:, 1, 1], place[:, 0, 2], place[:, 1, 2]
    assert torch.allclose(wide * high, draws(320)[:, Draw.AREA] * 0.92 + 0.08, atol=1e-5)
    assert float((wide / high).max()) <= 1.331
    assert float((wide / high).max()) > 1.25
    assert float((wide + x.abs()).max()) <= 1.0001
    assert float((high + y.abs()).max()) <= 1.0001


def test_mixed_precision_moves_no_pixel() -> None:
    config = replace(OFF, rotation=30.0, crop=0.3, perspective=0.3)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = warp(IMAGES, config, draws())
    assert torch.allclose(mixed, warp(IMAGES, config, draws()))


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    turned = warp(IMAGES[:1], replace(OFF, rotation=90.0), fixed(ANGLE=1.0))
    assert any(torch.allclose(turned, torch.rot90(IMAGES[:1], k, (2, 3)), atol=1e-4) for k in (1, 3))


def test_a_crop_is_the_window_it_says() -> None:
    """A quarter of the area at the upper left is the upper left quarter, twice as large."""
    found = warp(IMAGES[:1], replace(OFF, crop=0.25), fixed(AREA=0.0, X=0.0, Y=0.0))
    larger = transforms.resize(IMAGES[:1, :, :11, :11], [22, 22], antialias=False)
    inside = (..., slice(1, 18), slice(1, 18))
    assert torch.allclose(found[inside], larger[inside], atol=1e-4)


def test_a_tilt_is_torchvisions_perspective() -> None:
    given = fixed(TILTED=0.0)
    given[0, Draw.CORNERS :] = torch.tensor([0.2, 0.6, 0.0, 1.0, 0.4, 0.8, 0.9, 0.1])
    picture = torch.nn.functional.interpolate(IMAGES[:1], size=(64, 64), mode="bicubic").clamp(0, 1)
    ours = warp(picture, replace(OFF, perspective=0.3), given)
    moved = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    corners = [(0, 0), (64, 0), (64, 64), (0, 64)]
    moves = (given[0, Draw.CORNERS :].view(4, 2) * 0.3 * 32).tolist()
    ends = [[x + sign[0] * dx, y + sign[1] * dy] for (x, y), sign, (dx, dy) in zip(corners, moved, moves, strict=True)]
    theirs = transforms.perspective(picture, [list(corner) for corner in corners], ends)
    inside = (theirs > 0) & (ours > 0)
    assert (ours - theirs)[inside].abs().mean() < 0.02
    assert inside.float().mean() > 0.5


def test_a_tilt_that_is_not_drawn_is_none() -> None:
    place = tilted(replace(OFF, perspective=0.3), fixed(TILTED=0.9))
    grid = projected(place, 4, 4)
    assert torch.allclose(grid[0, 0, 0], torch.tensor([-0.75, -0.75]), atol=1e-6)


def test_draws_follow_from_seed_view_and_path_alone() -> None:
    views = Views(1, 3)
    first = views.draws(PATHS, 0)
    assert np.array_equal(first[7:8], views.draws(PATHS[7:8], 0))
    assert not np.array_equal(first, views.draws(PATHS, 1))
    assert not np.array_equal(first, Views(2, 3).draws(PATHS, 0))
    assert 0 <= first.min() < first.max() < 1
    assert first.mean(0) == pytest.approx(np.full(WIDTH, 0.5), abs=0.06)


def test_epochs_take_views_in_turn() -> None:
    assert [Views(1, 3).of(epoch) for epoch in range(5)] == [0, 1, 2, 0, 1]
    assert [Views(1, 0).of(epoch) for epoch in range(5)] == [0, 1, 2, 3, 4]
