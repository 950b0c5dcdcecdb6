"""What `weights` names: nothing, the library's ImageNet weights, or a file."""

from pathlib import Path

from stages.core.download import download, is_remote
from stages.core.errors import UserError
from stages.core.workspace import DOWNLOAD_CACHE, project_root


def locate(weights: str) -> Path | None:
    """Return the file that `weights` names, fetched if need be, None where it names none."""
    if weights in ("none", "imagenet"):
        return None
    if is_remote(weights):
        return download(weights, project_root() / DOWNLOAD_CACHE, None)
    path = project_root() / weights
    if not path.is_file():
        raise UserError(
            f"weights: no file {path}; say none, imagenet, or a path or address of .safetensors "
            "(or .pth for PyTorch, .keras and .weights.h5 for Keras)"
        )
    return path
