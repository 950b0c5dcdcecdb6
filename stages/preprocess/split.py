"""Which picture falls into which split: as published, else stratified, seeded, by content."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from stages.config.schema import Split
from stages.core.errors import MAX_SUGGESTIONS, UserError
from stages.core.files import stable_hash_order

NAMES = ("train", "val", "test")
UNLABELLED = "unlabelled"
FIXED = ("test", "val")  # a published split that is not cut again; the first wins over the second
Published = Sequence[str | None]


def require_test(published: Published, split: Split, where: str) -> None:
    """Raise a UserError where there would be no test split; `where` is the config key of the fractions."""
    if split.test == 0 and "test" not in published:
        raise UserError(
            f"{where}.test: 0, and no test split is published; "
            f"say {where}.train=0.8 {where}.val=0.1 {where}.test=0.1, or other shares"
        )


def require_pictures(splits: Mapping[str, Mapping[str, int]], labels: Sequence[str], where: str) -> None:
    """Raise a UserError where a split has no picture, or a class none to train on; `where` is the fractions' key."""
    counts = {name: sum(splits[name].values()) for name in NAMES}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        found = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UserError(
            f"{where}: no picture in {' and '.join(empty)} ({found}); each split needs at least one: "
            f"add pictures (or raise fetch.limit, where it is set), or say other fractions in {where}"
        )
    untrained = [label for label in labels if not splits["train"].get(label)]
    if untrained:
        names = [*map(repr, untrained[:MAX_SUGGESTIONS]), *["…"] * (len(untrained) > MAX_SUGGESTIONS)]
        raise UserError(
            f"{where}: no picture to train on in {len(untrained)} of {len(labels)} classes: "
            f"{', '.join(names)}; every class needs one: "
            "is its folder in train missing or misspelt? Rename it, add pictures, or leave the class out"
        )


def assign(
    digests: Sequence[str], labels: Sequence[str | None], split: Split, seed: int, published: Published = ()
) -> list[str]:
    """Return a split for every picture; identical pictures share one, whatever their labels say.

    `published` says for each picture in which split it is published, None (or train) where it may be cut from.
    """
    fixed = strongest(digests, labels, published)
    first: dict[str, str] = {}
    for digest, label in zip(digests, labels, strict=True):
        if label is not None and digest not in fixed:
            first.setdefault(digest, label)
    by_label: dict[str, list[str]] = defaultdict(list)
    for digest, label in first.items():
        by_label[label].append(digest)
    chosen, parts = dict(fixed), fractions(split, set(fixed.values()))
    for members in by_label.values():
        chosen |= cut(sorted(members, key=lambda digest: stable_hash_order(seed, digest)), parts)
    return [chosen[digest] if label else UNLABELLED for digest, label in zip(digests, labels, strict=True)]


def leaks(digests: Sequence[str], labels: Sequence[str | None], published: Published) -> list[str | None]:
    """Return for every picture why it must go: its bytes are published in a stronger split too (test, then val)."""
    fixed = strongest(digests, labels, published)
    return [
        f"identical to a picture of the {fixed[digest]} split" if label and fixed.get(digest, own) != own else None
        for digest, label, own in zip(digests, labels, published, strict=True)
    ]


def strongest(digests: Sequence[str], labels: Sequence[str | None], published: Published) -> dict[str, str]:
    """Return content → the strongest split that it is published in; what is in none, or in train, is left out."""
    found: dict[str, str] = {}
    for name in reversed(FIXED):
        for digest, label, own in zip(digests, labels, published or [None] * len(digests), strict=True):
            if label and own == name:
                found[digest] = name
    return found


def fractions(split: Split, published: set[str]) -> dict[str, float]:
    """Return what shares are to be cut from the pool: of what is not published, in proportion to one another."""
    missing = [name for name in FIXED if name not in published]
    whole = split.train + sum(getattr(split, name) for name in missing)
    return {name: getattr(split, name) / whole if published else getattr(split, name) for name in missing}


def cut(members: Sequence[str], parts: dict[str, float]) -> dict[str, str]:
    """Cut an ordered list into these shares, and train; a split with a share gets one at least while any are left."""
    found: dict[str, str] = {}
    start = 0
    for name, fraction in parts.items():
        size = share(len(members), fraction)
        found |= dict.fromkeys(members[start : start + size], name)
        start += size
    return found | dict.fromkeys(members[start:], "train")


def share(count: int, fraction: float) -> int:
    """Return how many of `count` a fraction is: at least one of three or more, where it is not zero."""
    return max(round(count * fraction), int(fraction > 0 and count >= 3))
