"""What a featuriser is cut from: a network with weights that the config names, or a trained model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.config.schema import Features
from stages.core.errors import UserError
from stages.core.registry import NETWORKS, TRAINED, list_modules, split_options
from stages.train.model import Description, build, describe

POOL = "pool"
CLASSES = 2  # of a network whose head is not asked


@dataclass(frozen=True)
class Source:
    """Enough to build the network, fill it and cut it; `folder` holds a trained model's weights."""

    framework: str
    network: dict[str, Any]
    weights: str
    layer: str
    mean: list[float]
    std: list[float]
    size: int
    seed: int
    plugins: list[str]
    folder: Path | None = None
    description: Description | None = None

    @property
    def name(self) -> str:
        """The network's name in YAML."""
        return split_options(self.network)[0]

    def build(self) -> Any:
        """Build the network; its weights are not in it yet."""
        return build(self.framework, self.network, CLASSES, self.size, self.plugins)


def of_network(config: Features, size: int, plugins: list[str]) -> Source:
    """Return the source that a network's file and the weights named for it make."""
    framework = next(name for name, kind in NETWORKS.items() if config.network in list_modules(kind, plugins))
    mean, std = config.normalize.mean, config.normalize.std
    network = {"name": config.network}
    return Source(framework, network, config.weights, config.layer, mean, std, size, config.seed, plugins)


def of_model(config: Features, folder: Path, size: int, dataset: str) -> Source:
    """Return the source that a trained model makes; pictures must be of the size that it was trained on."""
    model = describe(folder)
    if model.size != size:
        raise UserError(
            f"features.network: {model.name} was trained on pictures of {model.size} pixels, those of {dataset} have "
            f"{size}; say datasets.{dataset}.preprocess.size={model.size}"
        )
    normalize = model.config.get("normalize", {"mean": config.normalize.mean, "std": config.normalize.std})
    return Source(
        model.framework, model.network, TRAINED, config.layer, normalize["mean"], normalize["std"],
        size, config.seed, model.plugins, folder, model,
    )  # fmt: skip
