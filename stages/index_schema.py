"""The type and range of every key of `indexes`. What a key does is said in conf/indexes/default.yaml."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from stages.key import key


@dataclass
class Normalize:
    """Pixels / 255, minus mean, divided by std, per RGB channel."""

    mean: list[float] = key(length=3)
    std: list[float] = key(length=3, above=0)


@dataclass
class Features:
    """`indexes.<name>.features`: the featuriser."""

    network: str = MISSING
    weights: str = MISSING
    layer: str = MISSING
    normalize: Normalize = field(default_factory=Normalize)
    seed: int = key(least=0)
    opset: int = key(least=18, most=23)
    parity_images: int = key(least=1)
    parity: float = key(above=0)
    code: str = MISSING


@dataclass
class Approximate:
    """`indexes.<name>.approximate`: FAISS IVF."""

    lists: int = key(least=0)
    probes: int = key(least=0)
    recall: float = key(above=0, most=1)


@dataclass
class Matches:
    """`indexes.<name>.matches`: the best others of every picture within every label."""

    best: int = key(least=0)
    memory_mb: int = key(least=16)


@dataclass
class Index:
    """`indexes.<name>`."""

    dataset: str = MISSING
    features: Features = field(default_factory=Features)
    blocks: list[str] = MISSING
    id_column: str = MISSING
    show: list[str] = MISSING
    noun: str = MISSING
    thumbnail: int = key(least=16, most=1024)
    memory_mb: int = key(least=0)
    mode: str = key(choices=("exact", "approximate"))
    approximate: Approximate = field(default_factory=Approximate)
    matches: Matches = field(default_factory=Matches)
    quality: int = key(least=1)
