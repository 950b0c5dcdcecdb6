"""The type and range of every config key. What a key does is said in conf/, beside its default.

No key has a default here: conf/ gives every value, once.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    return value


Int = Annotated[int, BeforeValidator(_refuse_bool)]
Float = Annotated[float, BeforeValidator(_refuse_bool)]
Positive = Annotated[Float, Field(gt=0)]
Share = Annotated[Float, Field(ge=0, le=1)]
Count = Annotated[Int, Field(ge=1)]
Natural = Annotated[Int, Field(ge=0)]
Monitor = Literal["val_loss", "val_accuracy"]
Mode = Literal["min", "max"]
Choice = Literal["auto", "always", "never"]
Opset = Annotated[Int, Field(ge=18, le=23)]


class Config(BaseModel):
    """A section of the config tree. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, protected_namespaces=())


class Synthetic(Config):
    """`datasets.<name>.fetch.synthetic`: the pictures that `url: synthetic` draws."""

    images: Int = Field(ge=2)
    unlabelled: Natural
    corrupt: Natural
    classes: Int = Field(ge=2)
    smallest: Int = Field(ge=32)
    largest: Int = Field(ge=32)


class Fetch(Config):
    """`datasets.<name>.fetch`: where the data come from."""

    layout: dict[str, Any]
    code: str
    url: str
    alternative_names: list[str]
    extra_files: list[str]
    mirror: str | None
    sha256: Annotated[str, Field(min_length=64, max_length=64)] | None
    limit: Annotated[Int, Field(ge=2)] | None
    seed: Natural
    synthetic: Synthetic


class Split(Config):
    """Fractions of the labelled images; they sum to 1."""

    train: Float = Field(gt=0, le=1)
    val: Float = Field(gt=0, le=1)
    test: Share


class Preprocess(Config):
    """`datasets.<name>.preprocess`: size, resize and splits."""

    size: Int = Field(ge=16, le=4096)
    resize: Literal["squash", "letterbox"]
    split: Split
    seed: Natural
    shard_size: Count


class Dataset(Config):
    """`datasets.<name>`."""

    fetch: Fetch
    preprocess: Preprocess


class Hardware(Config):
    """Where and how training runs, for every backend."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    deterministic: bool
    threads: Natural
    devices: Count


class LightningHardware(Config):
    """Where and how training runs, for Lightning only."""

    num_nodes: Count
    strategy: Literal["auto", "ddp", "fsdp"]
    sync_batchnorm: bool
    channels_last: Choice
    compile: Choice
    on_device: Choice


class KerasHardware(Config):
    """Where and how training runs, for Keras only."""

    backend: Literal["tensorflow", "torch", "jax"]
    jit: bool


class Trainer(Hardware, LightningHardware, KerasHardware):
    """`trainer`: the values for every model at once; a model's `train` takes them and may override them."""

    system_metrics: bool


class Normalize(Config):
    """(pixel / 255 - mean) / std, for each of red, green and blue."""

    mean: Annotated[list[Float], Field(min_length=3, max_length=3)]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]


class Augment(Config):
    """Random changes to training images, drawn for each image by itself."""

    p: Share
    hflip: Share
    rotation: Float = Field(ge=0, le=180)
    crop: Float = Field(gt=0, le=1)
    ratio: Float = Field(ge=1)
    brightness: Share
    contrast: Share
    perspective: Float = Field(ge=0, le=0.6)
    perspective_p: Share
    num_views: Natural


class Optimizer(Config):
    """The optimizer and its hyperparameters."""

    name: Literal["adam", "adamw", "sgd"]
    betas: Annotated[list[Float], Field(min_length=2, max_length=2)]
    weight_decay: Float = Field(ge=0)
    momentum: Share


class Train(Hardware):
    """`models.<name>.train`, for every backend."""

    framework: str
    network: dict[str, Any]
    code: str
    weights: str
    freeze: str | list[str]
    epochs: Count
    batch_size: Count
    lr: Positive
    lr_scaling: Literal["none", "linear", "sqrt"]
    lr_base_batch_size: Count
    optimizer: Optimizer
    schedule: Literal["constant", "cosine", "onecycle"]
    warmup: Float = Field(ge=0, le=0.9)
    accumulate_grad_batches: Count
    gradient_clip_norm: Float = Field(ge=0)
    patience: Natural
    monitor: Monitor
    mode: Mode
    seed: Natural


class LightningTrain(Train, LightningHardware):
    """`models.<name>.train` with `framework: lightning`."""

    framework: Literal["lightning"]
    ema: Float = Field(ge=0, le=0.99999)
    normalize: Normalize
    augment: Augment


class KerasTrain(Train, KerasHardware):
    """`models.<name>.train` with `framework: keras`."""

    framework: Literal["keras"]


class Search(Config):
    """`models.<name>.search`: candidates that train in turn; the best of them is the model."""

    strategy: Literal["none", "random", "grid"]
    space: dict[str, Any]
    runs: Count
    monitor: Monitor
    mode: Mode
    seed: Natural


class Evaluate(Config):
    """`models.<name>.evaluate`."""

    batch_size: Count
    mistakes: Natural
    bins: Int = Field(ge=2)


class Triton(Config):
    """`models.<name>.package.triton`: how Triton batches requests."""

    max_batch_size: Count
    preferred_batch_sizes: list[Int]
    queue_delay_us: Natural
    queue_size: Natural
    image: str


class Package(Config):
    """`models.<name>.package`."""

    opset: Opset
    parity_images: Count
    parity: Positive
    mar_version: str
    quantize: Literal["none", "int8"]
    quantize_images: Count
    quantize_drop: Float = Field(ge=0, le=100)
    triton: Triton


class Publish(Config):
    """`models.<name>.publish`."""

    to: str
    labels: dict[str, Any]


class Model(Config):
    """`models.<name>`."""

    dataset: str
    train: Annotated[LightningTrain | KerasTrain, Field(discriminator="framework")]
    search: Search
    evaluate: Evaluate
    package: Package
    publish: Publish


class Features(Config):
    """`indexes.<name>.features`: the feature extractor."""

    network: str
    weights: str
    layer: str
    normalize: Normalize
    seed: Natural
    opset: Opset
    parity_images: Count
    parity: Positive
    code: str


class Approximate(Config):
    """`indexes.<name>.approximate`: FAISS IVF."""

    lists: Natural
    probes: Natural
    recall: Float = Field(gt=0, le=1)


class Matches(Config):
    """`indexes.<name>.matches`: the best matches of every picture within every label."""

    top_k: Natural
    memory_mb: Int = Field(ge=16)


class Index(Config):
    """`indexes.<name>`."""

    dataset: str
    features: Features
    partition_by: list[str]
    id_column: str
    display_columns: list[str]
    item_name: str
    thumbnail: Int = Field(ge=16, le=1024)
    memory_mb: Natural
    mode: Literal["exact", "approximate"]
    approximate: Approximate
    matches: Matches
    precision_k: Count


class Bento(Config):
    """`bento`: how the services answer."""

    workers: Count
    threads: Count
    concurrency: Count
    queue: Count
    precision: Literal["fp32", "int8"]
    timeout: Positive
    client_timeout: Positive
    drain: Float = Field(ge=0)
    max_images: Count
    max_body_mb: Positive
    max_megapixels: Positive
    min_confidence: Share
    max_results: Count
    cors: list[str]
    url_hosts: list[str]
    url_timeout: Positive
    max_url_fetches: Count


class EngineConfig(Config):
    """`engine`: where many pictures are fetched, prepared and embedded."""

    name: Literal["local", "ray"]
    workers: Natural
    address: str | None
    cpus: Count
    tasks: Natural


class Tree(Config):
    """The config tree. A person's command holds the selected model, dataset or index only, DVC's compose all."""

    seed: Natural
    plugins: list[str]
    trainer: Trainer
    engine: EngineConfig
    bento: Bento
    datasets: dict[str, Dataset]
    models: dict[str, Model]
    indexes: dict[str, Index]
