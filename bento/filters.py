"""Filters in people's words: columns and labels in any case, as an index knows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, reduce
from operator import and_, or_

from stages.core.errors import suggest
from stages.index.conditional.where import UnknownLabel, Where, among

COMPARED = 1000  # labels at most that an unknown one is compared with
NEAREST = 3  # labels that an unknown one may have meant
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Choice:
    """Column and label of what is kept and of what is not; `anywhere` are labels whose column is not named."""

    kept: Pairs = ()
    excluded: Pairs = ()
    anywhere: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.kept or self.excluded or self.anywhere)


class Vocabulary:
    """The columns and labels of an index, found in any case; the exact spelling wins."""

    def __init__(self, labels: Mapping[str, list[str]], blocks: list[str]) -> None:
        self._labels, self._blocks = labels, blocks
        self._columns = folded(labels)
        self._folded = cache(lambda column: folded(labels[column]))

    def where(self, choice: Choice) -> Where | None:
        """Return a choice as a condition, None for all; raise UnknownColumn (in a search) or UnknownLabel."""
        chosen = self.resolved(choice)
        conditions = [among(column, labels) for column, labels in self.grouped(chosen.kept).items()]
        conditions += [~among(column, labels) for column, labels in self.grouped(chosen.excluded).items()]
        conditions += [
            reduce(or_, [among(column, self.labels(column, label)) for column in self.holding(label)])
            for label in chosen.anywhere
        ]
        return reduce(and_, conditions) if conditions else None

    def resolved(self, choice: Choice) -> Choice:
        """Return a choice in which a label is only `anywhere` if several columns have it; raise UnknownLabel."""
        found: list[tuple[str, str]] = []
        several: list[str] = []
        for label in choice.anywhere:
            columns = self.holding(label)
            if not columns:
                every = [name for column in self._blocks for name in self._labels[column]]
                raise UnknownLabel(
                    f"query: unknown label {label[:100]!r}{suggest(label, dict.fromkeys(every[:COMPARED]), NEAREST)}"
                )
            several += [label] if len(columns) > 1 else []
            found += [(columns[0], label)] if len(columns) == 1 else []
        return Choice((*choice.kept, *found), choice.excluded, tuple(several))

    def spelled(self, choice: Choice) -> Choice:
        """Return a choice in the index's own spelling; raise UnknownLabel."""
        chosen = self.resolved(choice)
        kept, excluded = (
            tuple((column, label) for column, labels in self.grouped(pairs).items() for label in dict.fromkeys(labels))
            for pairs in (chosen.kept, chosen.excluded)
        )
        return Choice(kept, excluded, chosen.anywhere)

    def grouped(self, pairs: Pairs) -> dict[str, list[str]]:
        """Return column → labels, as the index spells them."""
        found: dict[str, list[str]] = {}
        for name, label in pairs:
            column = self.column(name)
            found.setdefault(column, []).extend(self.labels(column, label))
        return found

    def column(self, name: str) -> str:
        """Return a column's own name; what is unknown stays as it is, for the index to refuse."""
        return name if name in self._labels else self._columns.get(name.casefold(), [name])[0]

    def holding(self, label: str) -> list[str]:
        """Return the columns of the blocks that have a label."""
        return [column for column in self._blocks if label.casefold() in self._folded(column)]

    def labels(self, column: str, label: str) -> list[str]:
        """Return the labels that are meant by one; what is unknown stays as it is, for the index to refuse."""
        if column not in self._labels:
            return [label]
        known = self._folded(column)
        found = known.get(label.casefold(), [])
        if found or len(known) > COMPARED:
            return [label] if label in found or not found else found
        near = get_close_matches(label.casefold(), known, n=1, cutoff=0.6)
        hint = suggest(known[near[0]][0] if near else label, self._labels[column], NEAREST)
        raise UnknownLabel(f"{column}: unknown label {label[:100]!r}{hint}")


def folded(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names by their form without case."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.casefold(), []).append(name)
    return found
