"""Whether values lie in what their keys allow, as stages/schema.py declares it."""

from dataclasses import fields, is_dataclass
from operator import ge, gt, le
from typing import Any

from stages.errors import UserError, nearest


def check_ranges(node: Any, path: str = "") -> None:
    """Raise a UserError for the first value outside what its key allows; `node` is a typed object."""
    if is_dataclass(node):
        for item in fields(node):
            where, value = f"{path}{item.name}", getattr(node, item.name)
            check_value(where, value, item.metadata)
            check_ranges(value, f"{where}.")
    elif isinstance(node, dict):
        for name, value in node.items():
            check_ranges(value, f"{path}{name}.")


def check_value(where: str, value: Any, allowed: Any) -> None:
    """Raise a UserError if value is not one of the choices or lies outside the bounds."""
    if not allowed or value is None:
        return
    if allowed["choices"] and value not in allowed["choices"]:
        raise UserError(f"{where}: {value!r} is not allowed{nearest(str(value), allowed['choices'])}")
    if allowed["length"] not in (None, len(value) if isinstance(value, list | str) else None):
        raise UserError(f"{where}: {value} is of length {len(value)}; it must be {allowed['length']}")
    for limit, words, holds in (("least", "at least", ge), ("most", "at most", le), ("above", "above", gt)):
        bound = allowed[limit]
        if bound is not None and not all(holds(one, bound) for one in (value if isinstance(value, list) else [value])):
            raise UserError(f"{where}: {value} is out of range; it must be {words} {bound}")
