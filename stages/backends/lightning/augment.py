"""Random changes to a batch of images, on its device. What happens to an image follows from its row of draws alone."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as functional
from torch import Tensor

from stages.config.schema import Augment

Draws = npt.NDArray[np.float32]


class Draw(IntEnum):
    """The columns of draws (N x len(Draw), uniform in [0, 1)): what is drawn for an image."""

    CHANGED = 0
    FLIP = auto()
    BRIGHTNESS = auto()
    CONTRAST = auto()
    ANGLE = auto()
    AREA = auto()
    RATIO = auto()
    X = auto()
    Y = auto()
    TILTED = auto()
    CORNERS = auto()  # and seven more: x and y of four corners


WIDTH = Draw.CORNERS + 8


@dataclass(frozen=True)
class Views:
    """The variants of images: another one each epoch, or `count` of them in turn."""

    seed: int
    count: int

    def of(self, epoch: int) -> int:
        """Return which variant an epoch sees."""
        return epoch % self.count if self.count else epoch

    def draws(self, paths: Sequence[str], view: int) -> Draws:
        """Return the draws (N x WIDTH) of images by their paths: the same whatever else is in the dataset."""
        numbers = (hashlib.shake_128(f"{self.seed}/{view}/{path}".encode()).digest(4 * WIDTH) for path in paths)
        whole = np.frombuffer(b"".join(numbers), "<u4").reshape(-1, WIDTH)
        return np.asarray((whole >> 8) / np.float32(2**24), np.float32)


def active(config: Augment) -> bool:
    """Return whether the config changes anything."""
    tilt = config.perspective * config.perspective_p
    changes = (config.hflip, config.rotation, 1 - config.crop, config.brightness, config.contrast, tilt)
    return config.p > 0 and any(change > 0 for change in changes)


def change(config: Augment, draws: Tensor | None) -> Callable[[Tensor], Tensor] | None:
    """Return what happens to images before they are normalised; nothing without draws (N x 0, or None)."""
    return partial(augment, config=config, draws=draws) if draws is not None and draws.shape[1] else None


def augment(images: Tensor, config: Augment, draws: Tensor) -> Tensor:
    """Return changed copies of images (float, N x 3 x H x W, values 0–1); the same shape."""
    if not active(config):
        return images
    rows = chosen(config, draws)
    return images.index_copy(0, rows, changed(images[rows], config, draws[rows])) if len(rows) else images


def chosen(config: Augment, draws: Tensor) -> Tensor:
    """Return which images are changed; where it is a matter of chance, to count them one waits for the GPU."""
    if config.p >= 1:
        return torch.arange(len(draws), device=draws.device)
    return torch.nonzero(draws[:, Draw.CHANGED] < config.p).flatten()


def changed(images: Tensor, config: Augment, draws: Tensor) -> Tensor:
    """Return images after every change of the config."""
    return warp(shift_light(flip(images, config, draws), config, draws), config, draws)


def column(draws: Tensor, which: Draw, low: float, high: float) -> Tensor:
    """Return a column of draws between two bounds, N."""
    return draws[:, which] * (high - low) + low


def flip(images: Tensor, config: Augment, draws: Tensor) -> Tensor:
    """Mirror each image with a probability."""
    mirrored = (draws[:, Draw.FLIP] < config.hflip).view(-1, 1, 1, 1)
    return torch.where(mirrored, images.flip(-1), images) if config.hflip else images


def shift_light(images: Tensor, config: Augment, draws: Tensor) -> Tensor:
    """Scale each image's brightness, and its contrast about its own mean."""
    if config.brightness:
        factor = column(draws, Draw.BRIGHTNESS, 1 - config.brightness, 1 + config.brightness)
        images = images * factor.view(-1, 1, 1, 1)
    if config.contrast:
        factor = column(draws, Draw.CONTRAST, 1 - config.contrast, 1 + config.contrast)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images - mean) * factor.view(-1, 1, 1, 1) + mean
    return images.clamp(0, 1) if config.brightness or config.contrast else images


def warp(images: Tensor, config: Augment, draws: Tensor) -> Tensor:
    """Tilt each image, turn it about its centre, crop it to a random window, in one resampling; outside is black."""
    tilt = config.perspective * config.perspective_p
    if not config.rotation and config.crop == 1 and not tilt:
        return images
    with torch.autocast(images.device.type, enabled=False):  # half precision would be off by pixels
        place = turned(config, draws) @ window(config, draws)
        if tilt:
            place = tilted(config, draws) @ place
        grid = projected(place, images.shape[-2], images.shape[-1])
        return functional.grid_sample(images, grid.to(images.dtype), align_corners=False)


def window(config: Augment, draws: Tensor) -> Tensor:
    """Return the map (N x 3 x 3) from the whole picture, -1 to 1, to a window of random area, shape and place."""
    area = column(draws, Draw.AREA, config.crop, 1)
    most = torch.clamp(-area.log() / 2, max=math.log(config.ratio) / 2)  # no side is longer than the picture's
    stretch = (column(draws, Draw.RATIO, -1, 1) * most).exp()
    wide, high = area.sqrt() * stretch, area.sqrt() / stretch
    x = column(draws, Draw.X, -1, 1) * (1 - wide)
    y = column(draws, Draw.Y, -1, 1) * (1 - high)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([wide, zero, x, zero, high, y, zero, zero, one], 1).view(-1, 3, 3)


def turned(config: Augment, draws: Tensor) -> Tensor:
    """Return the map (N x 3 x 3) that turns by a random angle."""
    angle = column(draws, Draw.ANGLE, -config.rotation, config.rotation) * math.pi / 180
    cos, sin = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)


def tilted(config: Augment, draws: Tensor) -> Tensor:
    """Return the map (N x 3 x 3) under which corners that moved inwards show the picture's own corners."""
    corners = draws.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    moves = draws[:, Draw.CORNERS : Draw.CORNERS + 8].view(-1, 4, 2) * config.perspective
    moves = moves * (draws[:, Draw.TILTED] < config.perspective_p).view(-1, 1, 1)
    x, y = (corners * (1 - moves)).unbind(2)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    u, v = corners.expand(len(draws), 4, 2).unbind(2)
    rows = [
        torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 2),
        torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 2),
    ]
    solved = torch.linalg.solve(torch.cat(rows, 1), torch.cat([u, v], 1))
    return torch.cat([solved, one[:, :1]], 1).view(-1, 3, 3)


def projected(place: Tensor, height: int, width: int) -> Tensor:
    """Return where each pixel of the result comes from (N x H x W x 2, -1 to 1)."""
    x = (torch.arange(width, device=place.device) * 2 + 1) / width - 1
    y = (torch.arange(height, device=place.device) * 2 + 1) / height - 1
    points = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.ones(height, width, device=place.device)], 2)
    found = points.view(1, -1, 3) @ place.transpose(1, 2)
    return (found[..., :2] / found[..., 2:]).view(-1, height, width, 2)
