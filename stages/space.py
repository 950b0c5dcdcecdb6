"""A search space: keys of a model's `train`, each with the values that it may have."""

from dataclasses import fields
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.errors import UserError, first_line
from stages.schema import Search, Train

FIXED = ("framework", "code", "backend", "devices", "num_nodes", "strategy")  # all candidates share a process


def searched(search: Search, train: Train) -> dict[str, list[Any]]:
    """Return the space by dotted keys below `train`; a key that `train` lacks is one of its network."""
    own = {field.name for field in fields(train)}
    for key, values in search.space.items():
        if key.partition(".")[0] in own & set(FIXED):
            raise UserError(f"search.space.{key}: all candidates of a search have the same; set train.{key} instead")
        if not isinstance(values, list) or not values:
            raise UserError(f"search.space.{key}: {values!r} is not a list of values")
    return {key if key.partition(".")[0] in own else f"network.{key}": value for key, value in search.space.items()}


def varied(train: Train, values: dict[str, Any]) -> Train:
    """Return a copy of a `train` section with other values, by dotted keys."""
    config = OmegaConf.structured(train)
    try:
        for key, value in values.items():
            OmegaConf.update(config, key, value)
        changed = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise UserError(f"{next(iter(values))}: {first_line(error)}") from error
    assert isinstance(changed, Train)
    return changed
