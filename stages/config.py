"""From YAML to typed values: composing the tree, checking it, and saying what is wrong with it."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from stages.errors import UserError, choose, nearest
from stages.registry import LAYOUT, NETWORKS, check_options
from stages.schema import FRAMEWORKS, Model, Tree, check_ranges

CODE = Path(__file__).resolve().parents[1]
CONF = CODE / "conf"
SELECTORS = ("model", "dataset", "from")


def project() -> Path:
    """Return the project's root: what DVC says (a queued experiment runs in a copy), else where the code lies."""
    return Path(os.environ.get("DVC_ROOT", CODE))


def compose(overrides: list[str] | None = None) -> DictConfig:
    """Compose conf/ as a person's command does, with every interpolation resolved."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra_compose("config", overrides=overrides or [])
        OmegaConf.resolve(config)
    except HydraException as error:
        raise UserError(complaint(error)) from error
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
    return config


def typed(config: DictConfig) -> Tree:
    """Return the tree as typed objects, or raise a UserError for the first key that is wrong."""
    try:
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
    assert isinstance(values, dict)
    tree = merge({str(name): value for name, value in values.items() if name not in SELECTORS})
    check_ranges(tree)
    check_splits(tree)
    check_pictures(tree)
    check_mirrors(tree)
    check_batches(tree)
    check_names(tree)
    return tree


def merge(values: dict[str, Any]) -> Tree:
    """Lay plain values over the schema."""
    try:
        tree = OmegaConf.to_object(OmegaConf.merge(schema(values), values))
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
    assert isinstance(tree, Tree)
    return tree


def schema(values: dict[str, Any]) -> DictConfig:
    """Return the schema of these values: which keys a model's `train` has depends on its framework."""
    models = {}
    for name, model in values["models"].items():
        if not isinstance(model, dict) or not isinstance(model.get("train"), dict):
            raise UserError(f"models.{name}: {model!r} is not a model; it has a dataset, train, evaluate and package")
        framework = str(model["train"].get("framework"))
        choose(f"models.{name}.train.framework", framework, FRAMEWORKS)
        models[name] = Model(train=FRAMEWORKS[framework]())
    typed_tree: DictConfig = OmegaConf.structured(Tree(models=models))
    return typed_tree


def explain(error: OmegaConfBaseException) -> str:
    """Say an OmegaConf error in one line: full path, what is wrong, the nearest key."""
    path = error.full_key or str(error.key or "")
    if isinstance(error, ConfigKeyError) or type(error).__name__ == "ConfigAttributeError":
        parent = error.parent_node
        return f"{path}: unknown key{nearest(path.rpartition('.')[2], siblings(parent))}"
    reason = (error.msg or str(error)).split("\n")[0]
    if "Missing mandatory value" in str(error):
        reason = "missing; it has no default"
    return f"{path}: {reason}" if path else reason


def complaint(error: Exception) -> str:
    """Say Hydra's error in one line, with the nearest name where there is one."""
    from hydra.errors import MissingConfigException

    if isinstance(error.__cause__, OmegaConfBaseException):
        return explain(error.__cause__)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}: unknown name {name!r}{nearest(name, error.options)}"
    return str(error)


def siblings(parent: Any) -> list[str]:
    """Return the keys that a config node has."""
    return [str(name) for name in parent] if parent is not None else []


def check_splits(tree: Tree) -> None:
    """Raise a UserError for fractions that do not sum to 1."""
    for name, dataset in tree.datasets.items():
        split = dataset.preprocess.split
        total = split.train + split.val + split.test
        if abs(total - 1) > 1e-6:
            parts = f"train {split.train} + val {split.val} + test {split.test}"
            raise UserError(f"datasets.{name}.preprocess.split: {parts} = {total:g}; the fractions must sum to 1")


def check_pictures(tree: Tree) -> None:
    """Raise a UserError for drawn pictures whose smallest side is the largest."""
    for name, dataset in tree.datasets.items():
        drawn = dataset.fetch.synthetic
        if drawn.smallest > drawn.largest:
            where = f"datasets.{name}.fetch.synthetic"
            raise UserError(f"{where}: smallest {drawn.smallest} is more than largest {drawn.largest}")


def check_mirrors(tree: Tree) -> None:
    """Raise a UserError for a mirror that is not a bucket."""
    for name, dataset in tree.datasets.items():
        mirror = dataset.fetch.mirror
        if mirror is not None and not mirror.startswith(("s3://", "gs://")):
            raise UserError(f"datasets.{name}.fetch.mirror: {mirror!r} is no bucket; say s3://bucket/folder or gs://…")


def check_batches(tree: Tree) -> None:
    """Raise a UserError for a batch that Triton should prefer but may not make."""
    for name, model in tree.models.items():
        batching = model.package.triton
        sizes = batching.preferred_batch_sizes
        if not all(1 <= size <= batching.max_batch_size for size in sizes):
            where, most = f"models.{name}.package.triton", batching.max_batch_size
            raise UserError(f"{where}.preferred_batch_sizes: {sizes} must lie between 1 and max_batch_size, {most}")


def check_names(tree: Tree) -> None:
    """Raise a UserError for a dataset, layout or network that does not exist, or for its arguments."""
    for name, dataset in tree.datasets.items():
        check_options(LAYOUT, dataset.fetch.layout, tree.plugins, f"datasets.{name}.fetch.layout")
    for name, model in tree.models.items():
        choose(f"models.{name}.dataset", model.dataset, tree.datasets)
        kind = NETWORKS[model.train.framework]
        check_options(kind, model.train.network, tree.plugins, f"models.{name}.train.network")
