"""Which picture falls into which split: stratified, seeded, by content."""

from collections import defaultdict
from collections.abc import Sequence

from stages.fetch.subset import lot
from stages.schema import Split

NAMES = ("train", "val", "test")
UNLABELLED = "unlabelled"


def assign(digests: Sequence[str], labels: Sequence[str | None], split: Split, seed: int) -> list[str]:
    """Return a split for every picture; identical pictures share one, whatever their labels say."""
    first: dict[str, str] = {}
    for digest, label in zip(digests, labels, strict=True):
        if label is not None:
            first.setdefault(digest, label)
    by_label: dict[str, list[str]] = defaultdict(list)
    for digest, label in first.items():
        by_label[label].append(digest)
    chosen: dict[str, str] = {}
    for members in by_label.values():
        chosen |= cut(sorted(members, key=lambda digest: lot(seed, digest)), split)
    return [chosen[digest] if label else UNLABELLED for digest, label in zip(digests, labels, strict=True)]


def cut(members: Sequence[str], split: Split) -> dict[str, str]:
    """Cut an ordered list into test, val and train; a split with a share gets one at least while any are left."""
    sizes = {name: share(len(members), getattr(split, name)) for name in ("test", "val")}
    found: dict[str, str] = {}
    start = 0
    for name, size in sizes.items():
        found |= dict.fromkeys(members[start : start + size], name)
        start += size
    return found | dict.fromkeys(members[start:], "train")


def share(count: int, fraction: float) -> int:
    """Return how many of `count` a fraction is: at least one of three or more, where it is not zero."""
    return max(round(count * fraction), int(fraction > 0 and count >= 3))
