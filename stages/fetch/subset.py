"""A stratified, seeded part of a dataset."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Labelled(Protocol):
    """A picture or a row that names one; a picture may say in which `split` it is published."""

    @property
    def path(self) -> str:
        """Its published path."""

    @property
    def label(self) -> str | None:
        """Its class, None where it has none."""


L = TypeVar("L", bound=Labelled)
Stratum = tuple[str | None, str]


def lot(seed: int, name: str) -> str:
    """Return a name's place in a seeded random order."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def shares(counts: dict[str, int], total: int) -> dict[str, int]:
    """Divide a total among classes in proportion to their counts (largest remainder; each gets at least one)."""
    whole = sum(counts.values())
    exact = {label: total * count / whole for label, count in counts.items()}
    given = {label: max(1, int(share)) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (given[label] - exact[label], label))
    for label in by_remainder[: max(0, total - sum(given.values()))]:
        given[label] += 1
    return given


def stratum(entry: Labelled) -> Stratum:
    """Return an entry's label and the split that it is published in."""
    return entry.label, getattr(entry, "split", None) or ""


def strata(entries: Sequence[L], limit: int) -> Counter[Stratum]:
    """Return how many labelled entries to keep of each class in each published split, the largest first where few."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for label, split in map(stratum, entries):
        if label is not None:
            found[label][split] += 1
    room: Counter[Stratum] = Counter()
    for label, given in shares({label: splits.total() for label, splits in found.items()}, limit).items():
        splits = dict(sorted(found[label].items(), key=lambda pair: (-pair[1], pair[0]))[:given])
        room.update({(label, split): count for split, count in fitting(splits, given).items()})
    return room


def fitting(counts: dict[str, int], total: int) -> dict[str, int]:
    """Divide a total as `shares` does, at least one for each; what that adds too much the largest gives back."""
    given = shares(counts, total)
    given[max(given, key=lambda name: given[name])] -= sum(given.values()) - total
    return given


def subset(entries: Sequence[L], limit: int, seed: int) -> list[L]:
    """Return `limit` labelled entries, the same share of every class and published split, and of the unlabelled."""
    labelled = sum(entry.label is not None for entry in entries)
    if limit >= labelled:
        return list(entries)
    room = strata(entries, limit)
    room[None, ""] = (len(entries) - labelled) * limit // labelled
    chosen = set()
    for number, entry in sorted(enumerate(entries), key=lambda pair: lot(seed, pair[1].path)):
        place = stratum(entry) if entry.label is not None else (None, "")
        if room[place] > 0:
            room[place] -= 1
            chosen.add(number)
    return [entry for number, entry in enumerate(entries) if number in chosen]
