"""The clock and the peers of training on a GPU: two loops without Lightning."""

import time
from typing import cast

import torch
import torch.nn.functional as functional
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.gpu_data import Pictures
from stages.backends.lightning.hardware import channels_last, compute, device
from stages.backends.lightning.model import Input
from stages.backends.lightning.module import make_optimizer
from stages.backends.lightning.resident import Resident, on
from stages.config.schema import LightningTrain
from stages.core.console import track
from stages.core.system import cpu_count
from stages.train.model import build
from stages.train.order import Order


def now() -> float:
    """Return the time at which everything that the GPU was given is done, seconds."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()


class Clock(Callback):
    """Times every epoch of Lightning's, its steps alone."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.start = 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self.start = now()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        self.seconds.append(now() - self.start)


def bare(train: LightningTrain, pictures: Pictures) -> list[float]:
    """Return the seconds of each epoch of a loop of equal precision, layout and compilation, data on the device."""
    where, split = compute(train), on(device(train), pictures.train)
    images, labels = split.images, cast(Resident, split.labels)
    network = fresh(train, pictures.size)
    if channels_last(train):
        network.to(memory_format=torch.channels_last)
    if train.compile == "always":
        network.compile(dynamic=False)
    entry = Input(train.normalize.mean, train.normalize.std).to(where.device)
    optimizer = make_optimizer(network, train)
    order = Order(len(split), train.batch_size, train.seed)
    seconds = []
    for epoch in track(range(train.epochs), train.epochs, "a bare loop"):
        order.set_epoch(epoch)
        start = now()
        for rows in order:
            answer = network if len(rows) == train.batch_size else network.forward
            with where.mixed():
                loss = functional.cross_entropy(answer(entry(images[rows])), labels[rows])
            descend(loss, optimizer)
        seconds.append(now() - start)
    return seconds


def plain(train: LightningTrain, pictures: Pictures) -> list[float]:
    """Return the seconds of each epoch of the published project's loop: PIL for each image, fp32, each loss read."""
    where = device(train)
    network = fresh(train, pictures.size)
    optimizer = make_optimizer(network, train)
    normalize = v2.Normalize(train.normalize.mean, train.normalize.std)
    size = (pictures.size, pictures.size)
    seen = v2.Compose([v2.Resize(size), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalize])
    files = torch.utils.data.Subset(ImageFolder(pictures.folder / "images", seen), range(len(pictures.train)))
    loader = DataLoader(files, train.batch_size, shuffle=True, num_workers=cpu_count(), persistent_workers=True)
    seconds = []
    for _ in track(range(train.epochs), train.epochs, "a plain loop"):
        start, total = now(), 0.0
        for images, labels in loader:
            loss = functional.cross_entropy(network(images.to(where)), labels.to(where))
            descend(loss, optimizer)
            total += loss.item()
        seconds.append(now() - start)
    return seconds


def fresh(train: LightningTrain, size: int) -> nn.Module:
    """Return an untrained network on its device."""
    network: nn.Module = build("lightning", train.network, 2, size, [])
    return network.to(device(train)).train()


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Take one step."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
