"""How a key of the config tree is declared: its default, and what is allowed."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING


def key(
    default: Any = MISSING,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
    length: int | None = None,
) -> Any:
    """Declare a key: its default (none: must be given) and what is allowed."""
    allowed = {"least": least, "most": most, "above": above, "choices": choices, "length": length}
    return field(default=default, metadata=allowed)
