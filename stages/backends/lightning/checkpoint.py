"""Checkpoints that are whole or not there, wherever the process dies."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from stages.core.files import atomic_file


class Beside(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it.

    Lightning's own goes by way of the folder for temporary files: there a killed process leaves it for ever, and from
    there, where that is another disk, it is copied into place.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint."""
        with atomic_file(Path(path)) as scratch, scratch.open("wb") as file:
            torch.save(checkpoint, file)
