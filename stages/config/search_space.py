"""A search space: keys of a model's `train` section, each with the values that it may take."""

from typing import Any

from pydantic import ValidationError

from stages.config.messages import format_validation_error
from stages.config.schema import Search, Train
from stages.core.errors import UserError

FIXED_KEYS = ("framework", "code", "backend", "devices", "num_nodes", "strategy")  # all candidates share a process


def expand_search_space(search: Search, train: Train) -> dict[str, list[Any]]:
    """Maps dotted keys below `train` to their values; a key that `train` lacks is one of its network.

    Raises:
        UserError: A key must be the same for all candidates, or its values are not a list.
    """
    known = type(train).model_fields
    for key, values in search.space.items():
        if key.partition(".")[0] in FIXED_KEYS and key.partition(".")[0] in known:
            raise UserError(f"search.space.{key}: all candidates of a search have the same; set train.{key} instead")
        if not isinstance(values, list) or not values:
            raise UserError(f"search.space.{key}: {values!r} is not a list of values")
    return {key if key.partition(".")[0] in known else f"network.{key}": value for key, value in search.space.items()}


def apply_overrides(train: Train, values: dict[str, Any]) -> Train:
    """Copies a `train` section with other values, by dotted keys, and checks them."""
    content = train.model_dump()
    for key, value in values.items():
        *parents, name = key.split(".")
        section = content
        for parent in parents:
            section = section[parent]
        section[name] = value
    try:
        return type(train).model_validate(content)
    except ValidationError as error:
        raise UserError(format_validation_error(error, type(train))) from error
