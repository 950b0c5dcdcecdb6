"""`freeze`: which parameters training leaves as they are, by patterns over their names."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from stages.core.errors import UserError, suggest

THAW = "!"


def frozen(names: Sequence[str], rule: str | list[str], head: str | None) -> set[str]:
    """Return the names that a rule freezes: `none`, `all` but the head, or globs in order, `!glob` thawing again."""
    chosen: set[str] = set()
    for pattern in patterns(rule, head):
        glob = pattern.removeprefix(THAW)
        matching = {name for name in names if fnmatchcase(name, glob)}
        if not matching:
            raise UserError(f"freeze: {pattern!r} matches no parameter{suggest(glob, names)}")
        chosen = chosen - matching if pattern.startswith(THAW) else chosen | matching
    if chosen and chosen == set(names):
        raise UserError(f"freeze: {rule} leaves nothing to train; thaw a part, '{THAW}{names[-1]}' say")
    return chosen


def patterns(rule: str | list[str], head: str | None) -> list[str]:
    """Return a rule as globs; `all` needs a network that says which part is its head."""
    if isinstance(rule, list):
        return rule
    if rule == "none":
        return []
    if rule != "all":
        raise UserError(f"freeze: {rule!r} is not allowed; say none, all, or a list of globs")
    if head is None:
        raise UserError(f"freeze: {rule}: the network's file names no HEAD; list globs over its parameters instead")
    return ["*", f"{THAW}{head}[./]*"]
