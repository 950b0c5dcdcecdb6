"""From params.yaml, or plain values, to a checked config tree. DVC's stages need nothing else to start."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stages.config.messages import format_validation_error, format_yaml_error
from stages.config.schema import Tree
from stages.config.validation import Names, check_tree
from stages.core.errors import UserError
from stages.core.redaction import refuse_secrets
from stages.core.workspace import PARAMS

GROUPS = {"dataset": "datasets", "model": "models", "index": "indexes"}  # what a command selects → its group
SELECTORS = (*GROUPS, "from")


class _Loader(yaml.CSafeLoader):
    """Reads YAML in C, and numbers as OmegaConf does: 1e-3 is one."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d[\d_]*\.[\d_]*(?:[eE][-+]?\d+)?|\.\d[\d_]*(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.inf)$"),
    list("-+0123456789."),
)


def read_yaml(file: Path) -> Any:
    """Reads a YAML file in C, about eight times as fast as PyYAML's default."""
    try:
        with file.open("rb") as stream:
            return yaml.load(stream, _Loader)
    except yaml.MarkedYAMLError as error:
        raise UserError(format_yaml_error(error, str(file))) from error


def read_params(file: Path | None = None) -> dict[str, Any]:
    """Reads params.yaml, what DVC's stages run with."""
    params: dict[str, Any] = read_yaml(file or Path(PARAMS))
    return params


def choose_params(params: dict[str, Any], select: str | None, name: str) -> dict[str, Any]:
    """Takes from params.yaml's content what one of DVC's stages works on; all of it if the stage selects nothing."""
    if select is None:
        return params
    group = GROUPS[select]
    entry = params[group][name]
    datasets = [entry["dataset"]] if group != "datasets" and entry["dataset"] in params["datasets"] else []
    chosen = {"datasets": {key: params["datasets"][key] for key in datasets}, "models": {}, "indexes": {}}
    chosen[group] = {name: entry}
    return {**params, **chosen}


def validate(values: dict[str, Any], names: Names | None = None) -> Tree:
    """Checks a composed tree: secrets, types, ranges, rules between values.

    Args:
        values: Plain values, as `compose_tree` returns them, or a part of them.
        names: All names of the project where `values` is a part of it.

    Raises:
        UserError: The first mistake, with its path, value and what is allowed.
    """
    refuse_secrets(values)
    try:
        tree = Tree.model_validate({name: value for name, value in values.items() if name not in SELECTORS})
    except ValidationError as error:
        raise UserError(format_validation_error(error, Tree)) from error
    check_tree(tree, names or {group: list(values[group]) for group in GROUPS.values()})
    return tree
