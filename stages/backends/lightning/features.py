"""A network up to its head, where nothing but the head trains: its features come from the cache.

Exact where the frozen part is in eval mode, and images are seen as they are or in a fixed number of views.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch import Tensor, nn

from stages.backends.lightning.augment import Draw, Views, active, change
from stages.backends.lightning.frozen import head_of, trains_alone
from stages.backends.lightning.hardware import PLAIN, Compute, compute
from stages.backends.lightning.model import Input
from stages.config.schema import Augment, LightningTrain
from stages.core.arrays import Indices, ShardedArray
from stages.core.console import console
from stages.core.files import hash_bytes, hash_file, hash_json
from stages.preprocess.store import Images, Split, Store
from stages.train import features as cache
from stages.train.features import Cache, Keys

PROBES = 4
Features = npt.NDArray[np.float32]


def shared(network: nn.Module, module: ModuleType, config: LightningTrain, store: Store) -> "Backbone | None":
    """Return the network up to its head where the head can be trained by itself, else None."""
    if active(config.augment) and not config.augment.num_views:
        return None
    entry = Input(config.normalize.mean, config.normalize.std)
    return backbone(network, module, entry, store.size, compute(config))


def backbone(
    network: nn.Module, module: ModuleType, entry: Input, size: int, where: Compute = PLAIN
) -> "Backbone | None":
    """Return a network up to its head where nothing but the head trains and nothing follows it, else None."""
    head = head_of(module)
    if head is None or not trains_alone(network, head):
        return None
    found = Backbone(network, network.get_submodule(head), entry, size, where)
    if not found.ends_with_head():
        console.print(f"features are not shared: {head} is not the last part of the network")
        return None
    code = hash_file(Path(str(module.__file__)))
    probe = found.probed.float().cpu().numpy()
    found.cache = Cache(cache.home(found.key(code), probe), math.prod(probe.shape[1:]))
    return found


def training_features(found: "Backbone", config: LightningTrain, store: Store) -> tuple[list[Split], Split]:
    """Return the training split in each of its views, and the validation split, as features."""
    train, val = Seen(store.split("train"), config.augment, config.seed), Seen(store.split("val"))
    rows = found.features(train, "features of train")
    size = len(train.split)
    views = [train.featured(rows.take(slice(start, start + size))) for start in range(0, len(rows), size)]
    return views, val.featured(found.features(val, "features of val"))


class Seen:
    """A split as a network sees it: its images as they are, or each in so many views, one view after another."""

    def __init__(self, split: Split, augment: Augment | None = None, seed: int = 0) -> None:
        self.split, self.augment = split, augment
        self.views = Views(seed, augment.num_views) if augment is not None and active(augment) else None

    def keys(self) -> Keys:
        """Return the key of every image in every view; a view that changes nothing has the image's own."""
        plain = cache.image_keys(self.split.images)
        if self.views is None:
            return plain
        return np.concatenate([self._view(plain, view) for view in range(self.views.count)])

    def _view(self, plain: Keys, view: int) -> Keys:
        assert self.views is not None
        assert self.augment is not None
        draws = self.views.draws(self.split.paths, view)
        changes = json.dumps({name: value for name, value in self.augment.model_dump().items() if name != "num_views"})
        keys = plain.copy()
        for row in np.flatnonzero(draws[:, Draw.CHANGED] < self.augment.p):
            keys[row] = cache.key_of(plain[row], changes.encode(), draws[row])
        return keys

    def batch(self, positions: Indices) -> tuple[Images, Tensor | None]:
        """Return images by their positions among the keys, and the draws that change them."""
        view, row = np.divmod(positions, len(self.split))
        if self.views is None:
            return self.split.images[row], None
        draws = [self.views.draws([self.split.paths[i]], int(v)) for i, v in zip(row, view, strict=True)]
        return self.split.images[row], torch.from_numpy(np.concatenate(draws))

    def featured(self, rows: ShardedArray) -> Split:
        """Return the split with features in place of its images."""
        return Split(rows, self.split.labels, self.split.paths)


class Backbone:
    """A network up to its head: raw pixels (uint8, N x H x W x 3) → what the head is given (float32, N x …)."""

    def __init__(self, network: nn.Module, head: nn.Module, entry: Input, size: int, where: Compute) -> None:
        self.network, self.head, self.entry, self.where = network, head, entry, where
        noise = np.random.default_rng(0).integers(0, 256, (PROBES, size, size, 3), np.uint8)
        self.probed, self.logits = self._ask(noise)
        self.cache: Cache | None = None

    def features(self, seen: Seen, words: str) -> ShardedArray:
        """Return the features of everything that is seen, from the cache where they are."""
        assert self.cache is not None
        augment = seen.augment

        def computed(positions: Indices) -> Features:
            images, draws = seen.batch(positions)
            features, _ = self._ask(images, draws, augment)
            return np.asarray(features.float().cpu().numpy(), np.float32)

        return self.cache.rows(seen.keys(), computed, words)

    def key(self, code: str) -> str:
        """Name the features by what they follow from beside the images: frozen weights, normalisation, precision."""
        own = {id(tensor) for tensor in self.head.state_dict(keep_vars=True).values()}
        state = self.network.state_dict(keep_vars=True)
        rest = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items() if id(tensor) not in own}
        entry = [self.entry.scale.flatten().tolist(), self.entry.shift.flatten().tolist()]
        where = [self.where.device.type, self.where.precision, torch.__version__]
        return hash_json([hash_bytes(save(rest)), entry, where, code])

    def ends_with_head(self) -> bool:
        """Return whether the head's answer to its features is the network's answer to the pixels."""
        with evaluating(self.head), torch.inference_mode(), self.where.mixed():
            alone = self.head(self.probed)
        return alone.shape == self.logits.shape and torch.allclose(alone, self.logits, rtol=1e-4, atol=1e-6)

    def _ask(
        self, pixels: Images, draws: Tensor | None = None, augment: Augment | None = None
    ) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with evaluating(self.network), torch.inference_mode(), self.where.mixed():
                network, entry = self.network.to(self.where.device), self.entry.to(self.where.device)
                changed = change(augment, draws.to(self.where.device)) if augment and draws is not None else None
                logits: Tensor = network(entry(torch.from_numpy(pixels.copy()).to(self.where.device), changed))
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
