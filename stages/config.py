"""From YAML to typed values: composing the tree, checking it, and saying what is wrong with it."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from stages.checks import check
from stages.errors import UserError, choose, nearest
from stages.schema import FRAMEWORKS, Model, Tree
from stages.secrets import refuse_secrets

CODE = Path(__file__).resolve().parents[1]
CONF = CODE / "conf"
SELECTORS = ("model", "dataset", "index", "from")


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
    refuse_secrets(values)
    tree = merge({str(name): value for name, value in values.items() if name not in SELECTORS})
    check(tree)
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
