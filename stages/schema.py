"""The type and range of every config key. What a key does is said in conf/, beside its default."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from stages.index_schema import Index, Normalize
from stages.key import key


@dataclass
class Synthetic:
    """What `fetch.url: synthetic` draws."""

    images: int = key(least=2)
    unlabelled: int = key(least=0)
    corrupt: int = key(least=0)
    classes: int = key(least=2)
    smallest: int = key(least=32)
    largest: int = key(least=32)


@dataclass
class Fetch:
    """`datasets.<name>.fetch`."""

    layout: dict[str, Any] = MISSING
    code: str = MISSING
    url: str = MISSING
    also: list[str] = MISSING
    parts: list[str] = field(default_factory=list)
    mirror: str | None = None
    sha256: str | None = key(None, length=64)
    limit: int | None = key(None, least=2)
    seed: int = key(least=0)
    synthetic: Synthetic = field(default_factory=Synthetic)


@dataclass
class Split:
    """Fractions of the labelled images; they sum to 1."""

    train: float = key(above=0, most=1)
    val: float = key(above=0, most=1)
    test: float = key(least=0, most=1)


@dataclass
class Preprocess:
    """`datasets.<name>.preprocess`."""

    size: int = key(least=16, most=4096)
    resize: str = key(choices=("squash", "letterbox"))
    split: Split = field(default_factory=Split)
    seed: int = key(least=0)
    shard: int = key(least=1)


@dataclass
class Dataset:
    """`datasets.<name>`."""

    fetch: Fetch = field(default_factory=Fetch)
    preprocess: Preprocess = field(default_factory=Preprocess)


@dataclass
class Hardware:
    """Where and how training runs, in every framework."""

    accelerator: str = key(choices=("auto", "cpu", "gpu", "cuda", "mps"))
    precision: str = key(choices=("auto", "32-true", "bf16-mixed", "16-mixed"))
    deterministic: bool = MISSING
    threads: int = key(least=0)
    devices: int = key(least=1)


@dataclass
class LightningHardware:
    """What only Lightning knows."""

    num_nodes: int = key(least=1)
    strategy: str = key(choices=("auto", "ddp", "fsdp"))
    sync_batchnorm: bool = MISSING
    channels_last: str = key(choices=("auto", "always", "never"))
    compile: str = key(choices=("auto", "always", "never"))
    on_device: str = key(choices=("auto", "always", "never"))


@dataclass
class KerasHardware:
    """What only Keras knows."""

    backend: str = key(choices=("tensorflow", "torch", "jax"))
    jit: bool = MISSING


@dataclass
class Trainer(Hardware, LightningHardware, KerasHardware):
    """`trainer`: the values for every model at once; each model's `train` takes them and may override them."""


@dataclass
class Augment:
    """Random changes to training images, drawn for each image by itself."""

    p: float = key(least=0, most=1)
    hflip: float = key(least=0, most=1)
    rotation: float = key(least=0, most=180)
    crop: float = key(above=0, most=1)
    ratio: float = key(least=1)
    brightness: float = key(least=0, most=1)
    contrast: float = key(least=0, most=1)
    perspective: float = key(least=0, most=0.6)
    perspective_p: float = key(least=0, most=1)
    views: int = key(least=0)


@dataclass
class Optimizer:
    """The optimiser and its hyper-parameters."""

    name: str = key(choices=("adam", "adamw", "sgd"))
    betas: list[float] = key(length=2)
    weight_decay: float = key(least=0)
    momentum: float = key(least=0, most=1)


@dataclass
class Train(Hardware):
    """`models.<name>.train`, in every framework."""

    framework: str = MISSING
    network: dict[str, Any] = MISSING
    code: str = MISSING
    weights: str = MISSING
    freeze: Any = MISSING
    epochs: int = key(least=1)
    batch_size: int = key(least=1)
    lr: float = key(above=0)
    lr_rule: str = key(choices=("none", "linear", "sqrt"))
    lr_batch: int = key(least=1)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: str = key(choices=("constant", "cosine", "onecycle"))
    warmup: float = key(least=0, most=0.9)
    accumulate: int = key(least=1)
    clip: float = key(least=0)
    patience: int = key(least=0)
    monitor: str = key(choices=("min.val_loss", "max.val_accuracy"))
    seed: int = key(least=0)


@dataclass
class Lightning(Train, LightningHardware):
    """`models.<name>.train` with `framework: lightning`."""

    ema: float = key(least=0, most=0.99999)
    normalize: Normalize = field(default_factory=Normalize)
    augment: Augment = field(default_factory=Augment)


@dataclass
class Keras(Train, KerasHardware):
    """`models.<name>.train` with `framework: keras`."""


FRAMEWORKS: dict[str, type[Train]] = {"lightning": Lightning, "keras": Keras}


@dataclass
class Search:
    """`models.<name>.search`: candidates, trained in turn; the best of them is the model."""

    strategy: str = key(choices=("none", "random", "grid"))
    space: dict[str, Any] = MISSING
    runs: int = key(least=1)
    select: str = key(choices=("min.val_loss", "max.val_accuracy"))
    seed: int = key(least=0)


@dataclass
class Evaluate:
    """`models.<name>.evaluate`."""

    batch_size: int = key(least=1)
    mistakes: int = key(least=0)
    bins: int = key(least=2)


@dataclass
class Triton:
    """`models.<name>.package.triton`: how Triton batches."""

    max_batch_size: int = key(least=1)
    preferred_batch_sizes: list[int] = MISSING
    queue_delay_us: int = key(least=0)
    queue_size: int = key(least=0)
    image: str = MISSING


@dataclass
class Package:
    """`models.<name>.package`."""

    opset: int = key(least=18, most=23)
    parity_images: int = key(least=1)
    parity: float = key(above=0)
    mar_version: str = MISSING
    quantize: str = key(choices=("none", "int8"))
    quantize_images: int = key(least=1)
    quantize_drop: float = key(least=0, most=100)
    triton: Triton = field(default_factory=Triton)


@dataclass
class Publish:
    """`models.<name>.publish`."""

    to: str = MISSING
    labels: dict[str, Any] = MISSING


@dataclass
class Model:
    """`models.<name>`."""

    dataset: str = MISSING
    train: Train = field(default_factory=Train)
    search: Search = field(default_factory=Search)
    evaluate: Evaluate = field(default_factory=Evaluate)
    package: Package = field(default_factory=Package)
    publish: Publish = field(default_factory=Publish)


@dataclass
class Bento:
    """`bento`: how the services answer."""

    workers: int = key(least=1)
    threads: int = key(least=1)
    concurrency: int = key(least=1)
    queue: int = key(least=1)
    precision: str = key(choices=("fp32", "int8"))
    timeout: float = key(above=0)
    client_timeout: float = key(above=0)
    drain: float = key(least=0)
    max_images: int = key(least=1)
    max_body_mb: float = key(above=0)
    max_megapixels: float = key(above=0)
    sure: float = key(least=0, most=1)
    max_results: int = key(least=1)
    cors: list[str] = MISSING
    url_hosts: list[str] = MISSING
    url_timeout: float = key(above=0)
    fetches: int = key(least=1)


@dataclass
class EngineConfig:
    """`engine`: where many pictures are fetched, prepared and featurised."""

    name: str = key(choices=("local", "ray"))
    workers: int = key(least=0)
    address: str | None = None
    cpus: int = key(least=1)
    tasks: int = key(least=0)


@dataclass
class Tree:
    """The whole config tree."""

    seed: int = key(least=0)
    plugins: list[str] = MISSING
    datasets: dict[str, Dataset] = MISSING
    models: dict[str, Model] = MISSING
    indexes: dict[str, Index] = MISSING
    trainer: Trainer = field(default_factory=Trainer)
    engine: EngineConfig = field(default_factory=EngineConfig)
    bento: Bento = field(default_factory=Bento)
