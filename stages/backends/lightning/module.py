"""The one LightningModule: any network of the registry, cross-entropy, an optimiser and a schedule from config."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as functional
from torch import Tensor, distributed, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from stages.backends.lightning.augment import change
from stages.backends.lightning.data import IGNORED, Batch
from stages.backends.lightning.frozen import trains_alone
from stages.backends.lightning.model import Input
from stages.config.schema import LightningTrain
from stages.core.distributed import read_dist_env
from stages.train.order import share
from stages.train.schedule import factor, rate


class Sums:
    """Exact loss and accuracy over an epoch, summed on the device; nothing waits for it in between."""

    def __init__(self) -> None:
        self.loss: Tensor | float = 0.0
        self.correct: Tensor | int = 0
        self.count: Tensor | int = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch's mean loss and its hits."""
        wide = loss.detach() if loss.device.type == "mps" else loss.detach().double()  # MPS has no float64
        self.loss = self.loss + wide * len(labels)
        self.correct = self.correct + (logits.argmax(1) == labels).sum()
        self.count += len(labels)

    def add_part(self, total: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add the summed loss and the hits of a part of a batch, in which some images may weigh nothing."""
        self.loss = self.loss + total.detach().double()
        self.correct = self.correct + (logits.argmax(1) == labels).sum()
        self.count = self.count + (labels != IGNORED).sum()

    def gathered(self, where: torch.device) -> "Sums":
        """Return the sums over all processes: exact counts, losses in double precision."""
        if read_dist_env().world_size == 1:
            return self
        total = torch.tensor(
            [float(self.loss), float(self.correct), float(self.count)], dtype=torch.float64, device=where
        )
        distributed.all_reduce(total)
        whole = Sums()
        whole.loss, whole.correct, whole.count = float(total[0]), int(total[1]), int(total[2])
        return whole

    def means(self, prefix: str) -> dict[str, float]:
        """Return `<prefix>_loss` and `<prefix>_accuracy`."""
        count = max(int(self.count), 1)
        return {f"{prefix}_loss": float(self.loss) / count, f"{prefix}_accuracy": float(self.correct) / count}


class LitClassifier(pl.LightningModule):
    """Trains a network on batches of raw pixels."""

    def __init__(self, network: nn.Module, config: LightningTrain, head: str | None = None) -> None:
        super().__init__()
        self.network = network
        self.head = head if head is not None and trains_alone(network, head) else None
        self.config = config
        self.input = Input(config.normalize.mean, config.normalize.std)
        self.train_sums, self.val_sums = Sums(), Sums()
        self.rank = read_dist_env()
        self.train()  # Lightning takes each module's mode as it finds it

    def forward(self, pixels: Tensor, draws: Tensor | None = None) -> Tensor:
        """Return logits (N x classes) of raw pixels (uint8, N x H x W x 3), augmented as draws say."""
        images = self.input(pixels, change(self.config.augment, draws))
        # Raw pixels are channels-last already; turned round they cost a quarter of a step on a CPU.
        given = images.contiguous() if self.config.channels_last == "never" else images
        # What is compiled is for one size of batch: an epoch's last batch is not worth compiling again.
        answer = self.network if len(given) == self.usual else self.network.forward
        logits: Tensor = answer(given)
        return logits

    @property
    def usual(self) -> int:
        """How many images this process gets of a full batch."""
        whole, found = self.config.batch_size, self.rank
        return share(whole, found.world_size, found.rank + 1) - share(whole, found.world_size, found.rank)

    def train(self, mode: bool = True) -> "LitClassifier":
        """Leave in eval mode what is frozen: its statistics and dropout must not change what the rest learns from."""
        super().train(mode)
        if self.head is not None:
            self.network.eval().get_submodule(self.head).train(mode)
        for module in self.network.modules():
            own = list(module.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()
        return self

    def step(self, batch: Batch, sums: Sums) -> Tensor:
        """Return a batch's mean loss and count it; the mean over the processes is that of the whole batch."""
        logits = self(batch.images, batch.draws)
        if self.rank.world_size == 1:
            loss = functional.cross_entropy(logits, batch.labels)
            sums.add(loss, logits, batch.labels)
            return loss
        total = functional.cross_entropy(logits, batch.labels, ignore_index=IGNORED, reduction="sum")
        sums.add_part(total, logits, batch.labels)
        return total * self.rank.world_size / batch.whole

    def on_train_epoch_start(self) -> None:
        """Reseed by (seed, epoch, rank): dropout is then the same in a resumed run."""
        drawn = self.config.seed * 100_003 + self.current_epoch + self.rank.rank * 1_000_000_007
        pl.seed_everything(drawn % 2**32, verbose=False)
        self.train_sums = Sums()

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss to minimise."""
        loss = self.step(batch, self.train_sums)
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin to count anew."""
        self.val_sums = Sums()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Count a validation batch."""
        self.step(batch, self.val_sums)

    def on_validation_epoch_end(self) -> None:
        """Hand the exact means to the callbacks that monitor them."""
        self.train_sums, self.val_sums = (sums.gathered(self.device) for sums in (self.train_sums, self.val_sums))
        self.log_dict(self.val_sums.means("val"), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule, stepped after every batch."""
        optimizer = make_optimizer(self.network, self.config)
        schedule = make_schedule(optimizer, self.config, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class LitHead(LitClassifier):
    """Trains a network's head on features that were computed before."""

    def forward(self, pixels: Tensor, draws: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return logits (N x classes) of features (float32, N x …)."""
        logits: Tensor = self.network(pixels)
        return logits


def make_optimizer(network: nn.Module, config: LightningTrain) -> Optimizer:
    """Return the optimiser over the parameters that train."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    options = config.optimizer
    if options.name == "sgd":
        return SGD(parameters, lr=rate(config), momentum=options.momentum, weight_decay=options.weight_decay)
    kind = AdamW if options.name == "adamw" else Adam
    betas = (options.betas[0], options.betas[1])
    return kind(parameters, lr=rate(config), betas=betas, weight_decay=options.weight_decay)


def make_schedule(optimizer: Optimizer, config: LightningTrain, steps: int) -> LambdaLR:
    """Return the learning rate over `steps` steps."""
    return LambdaLR(optimizer, lambda step: factor(config.schedule, config.warmup, step, steps))
