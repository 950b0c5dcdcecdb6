"""A stratified, seeded part of a dataset."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar

from stages.core.errors import UserError
from stages.core.files import stable_hash_order


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
    """Return how many labelled entries to keep of each class in each published split; training first where few."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for label, split in map(stratum, entries):
        if label is not None:
            found[label][split] += 1
    room: Counter[Stratum] = Counter()
    for label, given in shares({label: splits.total() for label, splits in found.items()}, limit).items():
        splits = dict(sorted(found[label].items(), key=importance)[:given])
        room.update({(label, split): count for split, count in fitting(splits, given).items()})
    return room


def importance(pair: tuple[str, int]) -> tuple[bool, int, str]:
    """Return the place of a split and its count: what is to train on goes first, then the largest."""
    split, count = pair
    return split not in ("", "train"), -count, split


def fitting(counts: dict[str, int], total: int) -> dict[str, int]:
    """Divide a total as `shares` does, at least one for each; what that adds too much the largest gives back."""
    given = shares(counts, total)
    given[max(given, key=lambda name: given[name])] -= sum(given.values()) - total
    return given


def emptied(entries: Sequence[L], limit: int) -> list[str]:
    """Return the published splits of which a limit keeps no labelled entry."""
    published = {split for label, split in map(stratum, entries) if label is not None and split}
    return sorted(published - {split for (_, split), count in strata(entries, limit).items() if count > 0})


def refuse_emptied(entries: Sequence[L], limit: int, labelled: int) -> None:
    """Raise a UserError where a limit keeps nothing of a published split; it says which limit would."""
    lost = emptied(entries, limit)
    if lost:
        enough = limit + bisect_left(range(limit, labelled), True, key=lambda more: not emptied(entries, more))
        raise UserError(
            f"fetch.limit: {limit} keeps no picture of the published split {' and '.join(lost)}; "
            f"say at least {enough} (there are {labelled}), or null to keep all"
        )


def subset(entries: Sequence[L], limit: int, seed: int) -> list[L]:
    """Return about `limit` labelled entries, of every class one and else the same share, and of the unlabelled.

    Where none is labelled, it is `limit` of them all. The same holds for the splits that are published; a limit that
    leaves one of them empty is a UserError.
    """
    labelled = sum(entry.label is not None for entry in entries)
    if limit >= (labelled or len(entries)):
        return list(entries)
    if not labelled:
        return drawn(entries, Counter({(None, ""): limit}), seed)
    refuse_emptied(entries, limit, labelled)
    room = strata(entries, limit)
    room[None, ""] = (len(entries) - labelled) * limit // labelled
    return drawn(entries, room, seed)


def drawn(entries: Sequence[L], room: Counter[Stratum], seed: int) -> list[L]:
    """Return entries drawn by lot, as many of each stratum as there is room for, in their order."""
    chosen = set()
    for number, entry in sorted(enumerate(entries), key=lambda pair: stable_hash_order(seed, pair[1].path)):
        place = stratum(entry) if entry.label is not None else (None, "")
        if room[place] > 0:
            room[place] -= 1
            chosen.add(number)
    return [entry for number, entry in enumerate(entries) if number in chosen]
