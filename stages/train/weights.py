"""What `weights` names: nothing, the library's ImageNet weights, or a file."""

from pathlib import Path

from stages.config import project
from stages.errors import UserError


def locate(weights: str) -> Path | None:
    """Return the file that `weights` names, None where it names none; no framework is needed to say it is missing."""
    if weights in ("none", "imagenet"):
        return None
    path = project() / weights
    if not path.is_file():
        raise UserError(
            f"weights: no file {path}; say none, imagenet, or a path to .safetensors "
            "(or .pth for PyTorch, .keras and .weights.h5 for Keras)"
        )
    return path
