"""Random changes to a batch of images, on its device, drawn for each image by itself."""

import math

import torch
import torch.nn.functional as functional
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from stages.schema import Augment


def augment(images: Tensor, config: Augment) -> Tensor:
    """Return changed copies of images (float, N x 3 x H x W, values 0–1); the same shape."""
    if not active(config):
        return images
    changed = shift_light(flip(images, config.hflip), config)
    changed = warp(changed, config)
    return torch.where(drawn(images, config.p), changed, images)


def active(config: Augment) -> bool:
    """Return whether the config changes anything."""
    changes = (config.hflip, config.rotation, 1 - config.crop, config.brightness, config.contrast)
    return config.p > 0 and any(change > 0 for change in changes)


def drawn(images: Tensor, p: float) -> Tensor:
    """Draw for each image whether something happens to it, N x 1 x 1 x 1."""
    return torch.rand(len(images), 1, 1, 1, device=images.device) < p


def uniform(images: Tensor, low: float, high: float) -> Tensor:
    """Draw a number for each image, N x 1 x 1 x 1."""
    return torch.rand(len(images), 1, 1, 1, device=images.device) * (high - low) + low


def flip(images: Tensor, p: float) -> Tensor:
    """Mirror each image with probability p."""
    return torch.where(drawn(images, p), transforms.horizontal_flip(images), images) if p else images


def shift_light(images: Tensor, config: Augment) -> Tensor:
    """Scale each image's brightness, and its contrast about its own mean."""
    if config.brightness:
        images = images * uniform(images, 1 - config.brightness, 1 + config.brightness)
    if config.contrast:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = mean + (images - mean) * uniform(images, 1 - config.contrast, 1 + config.contrast)
    return images.clamp(0, 1) if config.brightness or config.contrast else images


def warp(images: Tensor, config: Augment) -> Tensor:
    """Rotate each image about its centre and crop it to a random window, in one resampling; outside is black."""
    if not config.rotation and config.crop == 1:
        return images
    angle = uniform(images, -config.rotation, config.rotation).flatten() * math.pi / 180
    scale = uniform(images, config.crop, 1).flatten()
    room = 1 - scale
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    x = (torch.rand_like(scale) * 2 - 1) * room
    y = (torch.rand_like(scale) * 2 - 1) * room
    rows = torch.stack([torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)], 1)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid.to(images.dtype), align_corners=False)
