"""Lightning's progress bar, without making the GPU wait."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar

EVERY = 0.5  # seconds


class Bar(RichProgressBar):
    """Reads the loss twice a second, not at every step: whoever reads it waits until the GPU has computed it."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=5)  # a second; at the default of 100 drawing it takes time from training
        self.read: float | None = None
        self.metrics: dict[str, Any] = {}

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return what the bar shows."""
        now = time.monotonic()
        if self.read is None or now - self.read >= EVERY:
            self.metrics, self.read = super().get_metrics(trainer, pl_module), now
        return self.metrics

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show an epoch's metrics at once."""
        self.read = None
        super().on_validation_end(trainer, pl_module)
