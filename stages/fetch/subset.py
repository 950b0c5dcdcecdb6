"""A stratified, seeded part of a dataset."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Labelled(Protocol):
    """A picture or a row that names one."""

    @property
    def path(self) -> str:
        """Its published path."""

    @property
    def label(self) -> str | None:
        """Its class, None where it has none."""


L = TypeVar("L", bound=Labelled)


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


def subset(entries: Sequence[L], limit: int, seed: int) -> list[L]:
    """Return `limit` labelled entries, the same share of every class, and that share of the unlabelled ones."""
    labels = [entry.label for entry in entries if entry.label is not None]
    if limit >= len(labels):
        return list(entries)
    room: Counter[str | None] = Counter(shares(Counter(labels), limit))
    room[None] = (len(entries) - len(labels)) * limit // len(labels)
    chosen = set()
    for number, entry in sorted(enumerate(entries), key=lambda pair: lot(seed, pair[1].path)):
        if room[entry.label] > 0:
            room[entry.label] -= 1
            chosen.add(number)
    return [entry for number, entry in enumerate(entries) if number in chosen]
