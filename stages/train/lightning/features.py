"""What a frozen backbone says of every image, computed once: epochs and candidates then train the head alone.

Exact where the head is all that trains, nothing is augmented, and the rest is in eval mode.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from safetensors.torch import save
from torch import Tensor, nn

from stages.config import project
from stages.console import console, track
from stages.files import fingerprint, sha256_bytes
from stages.preprocess.store import Images, Split, Store
from stages.schema import Lightning
from stages.train.lightning.augment import active
from stages.train.lightning.hardware import device, mixed
from stages.train.lightning.model import Input
from stages.train.lightning.module import trains_alone

CACHE = "data/cache/features"
BATCH = 64
PROBE = 4


def shared(network: nn.Module, config: Lightning, name: str | None, store: Store) -> "Backbone | None":
    """Return the network up to its head where the head can be trained by itself: its input never changes, else None."""
    if name is None or active(config.augment) or not trains_alone(network, name):
        return None
    backbone = Backbone(network, network.get_submodule(name), config, store.split("train").images[:PROBE])
    if not backbone.ends_with_head():
        console.print(f"features are not shared: {name} is not the last part of the network")
        return None
    return backbone


def features(backbone: "Backbone", store: Store, more: list[str]) -> tuple[Split, Split]:
    """Return training and validation features, from the cache where they are; `more` names what else they follow from.

    Processes that want the same ones wait for the first. What is in the cache is checked by a few images.
    """
    folder = project() / CACHE / key(backbone, store, more)
    folder.mkdir(parents=True, exist_ok=True)
    train, val = folder / "train.npy", folder / "val.npy"
    with FileLock(folder / ".lock"):
        if not (train.exists() and val.exists() and backbone.gave(np.load(train, mmap_mode="r"))):
            for file in (val, train):
                compute(backbone, store.split(file.stem), file)
        return opened(train, store), opened(val, store)


def opened(file: Path, store: Store) -> Split:
    """Return a split's features, memory-mapped."""
    split = store.split(file.stem)
    return Split(np.load(file, mmap_mode="r"), split.labels, split.paths)


def key(backbone: "Backbone", store: Store, more: list[str]) -> str:
    """Name features by what they follow from: images, frozen weights, normalisation, and more."""
    own = {id(tensor) for tensor in backbone.head.state_dict(keep_vars=True).values()}
    state = backbone.network.state_dict(keep_vars=True)
    rest = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items() if id(tensor) not in own}
    normalize = [backbone.config.normalize.mean, backbone.config.normalize.std]
    return fingerprint([store.fingerprint, sha256_bytes(save(rest)), normalize, torch.__version__, *more])


def compute(backbone: "Backbone", split: Split, file: Path) -> None:
    """Write a split's features, batch by batch, beside their place, and rename them into it."""
    scratch = file.with_name(f".{file.name}.partial")
    shape = backbone(split.images[:1]).shape[1:]
    found = np.lib.format.open_memmap(scratch, "w+", np.float32, (len(split), *shape))
    starts = range(0, len(split), BATCH)
    for start in track(starts, len(starts), f"features of {file.stem}"):
        found[start : start + BATCH] = backbone(split.images[start : start + BATCH]).numpy()
    found.flush()
    scratch.replace(file)


class Backbone:
    """A network up to its head: raw pixels (uint8, N x H x W x 3) → what the head is given (float32, N x …)."""

    def __init__(self, network: nn.Module, head: nn.Module, config: Lightning, probe: Images) -> None:
        self.device, self.config = device(config), config
        self.network, self.head = network, head
        self.input = Input(config.normalize.mean, config.normalize.std)
        self.probe, self.logits = self._ask(probe)

    def __call__(self, pixels: Images) -> Tensor:
        """Return a batch's features, on the CPU."""
        return self._ask(pixels)[0].float().cpu()

    def gave(self, known: npt.NDArray[np.float32]) -> bool:
        """Return whether these features begin with those of the first images."""
        found = self.probe.float().cpu().numpy()
        first = known[: len(found)]
        return first.shape == found.shape and np.allclose(first, found, rtol=1e-4, atol=1e-6)

    def ends_with_head(self) -> bool:
        """Return whether the head's answer to its features is the network's answer to the pixels."""
        with evaluating(self.head), torch.inference_mode(), mixed(self.config):
            alone = self.head(self.probe)
        return alone.shape == self.logits.shape and torch.allclose(alone, self.logits, rtol=1e-4, atol=1e-6)

    def _ask(self, pixels: Images) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with evaluating(self.network), torch.inference_mode(), mixed(self.config):
                network, entry = self.network.to(self.device), self.input.to(self.device)
                logits: Tensor = network(entry(torch.from_numpy(pixels.copy()).to(self.device)))
        finally:
            hook.remove()
        return seen[0], logits


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Hold a module in eval mode."""
    before: Callable[[], object] = module.train if module.training else module.eval
    module.eval()
    try:
        yield
    finally:
        before()
