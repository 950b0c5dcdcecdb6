"""Which rows a filter keeps: whole blocks where their labels decide, single rows where only their own do."""

from dataclasses import dataclass

import numpy as np

from stages.index.conditional.labels import Codes, Keep, Labels
from stages.index.conditional.queries import Positions
from stages.index.conditional.where import Among, Where


@dataclass(frozen=True)
class Runs:
    """Rows as disjoint, ascending runs of positions: where each begins and ends (int64)."""

    starts: Positions
    stops: Positions

    @property
    def count(self) -> int:
        """How many rows these are."""
        return int((self.stops - self.starts).sum())

    def positions(self) -> Positions:
        """Return every position (int64), ascending."""
        lengths = self.stops - self.starts
        ends = np.cumsum(lengths)
        return np.repeat(self.stops - ends, lengths) + np.arange(self.count)

    def at(self, order: Positions) -> Positions:
        """Return the positions of the rows with these numbers among the rows."""
        ends = np.cumsum(self.stops - self.starts)
        run = np.searchsorted(ends, order, side="right")
        return self.stops[run] - ends[run] + order

    def order(self, positions: Positions) -> Positions:
        """Return the numbers among the rows of rows at these positions."""
        ends = np.cumsum(self.stops - self.starts)
        run = np.searchsorted(self.stops, positions, side="right")
        return positions - self.stops[run] + ends[run]

    def merged(self, gap: int = 0) -> "Runs":
        """Return runs that also hold the gaps of at most so many rows between these."""
        apart = self.starts[1:] - self.stops[:-1] > gap
        return Runs(self.starts[np.concatenate([[True], apart])], self.stops[np.concatenate([apart, [True]])])


@dataclass(frozen=True)
class Bounds:
    """What blocks' labels say of their rows: surely kept, possibly kept."""

    surely: Keep
    possibly: Keep

    def __and__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.surely & other.surely, self.possibly & other.possibly)

    def __or__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.surely | other.surely, self.possibly | other.possibly)

    def __invert__(self) -> "Bounds":
        return Bounds(~self.possibly, ~self.surely)


class Rows:
    """The rows of an index: their labels' numbers (int32, N x C) and the blocks' first rows (int64, B + 1)."""

    def __init__(self, codes: Codes, labels: Labels, blocks: list[str], starts: Positions) -> None:
        self._codes = codes
        self._labels = labels
        self._starts = starts
        self._blocks = {column: codes[starts[:-1], labels.number(column)] for column in blocks}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def codes(self, column: str) -> Codes:
        """Return the number of every row's label in a column; raise UnknownColumn."""
        return self._codes[:, self._labels.number(column)]

    def kept(self, where: Where | None) -> Runs:
        """Return the rows that a filter keeps, adjacent runs merged; raise UnknownColumn or UnknownLabel."""
        if where is None:
            return Runs(self._starts[:1], self._starts[-1:])
        tables: dict[Among, Keep] = {}
        bounds = where.evaluate(lambda condition: self._bounds(condition, tables))
        runs = self._runs(bounds.surely)
        unsure = self._runs(bounds.possibly & ~bounds.surely)
        if len(unsure.starts):
            runs = joined(runs, self._single(where, tables, unsure))
        return runs.merged() if len(runs.starts) else runs

    def changes(self, column: str, start: int, stop: int) -> tuple[list[int], list[int]]:
        """Return the labels' numbers between two positions as they change, and where each begins."""
        codes = self._codes[start:stop, self._labels.number(column)]
        firsts = np.flatnonzero(np.diff(codes, prepend=-1))
        return codes[firsts].tolist(), (firsts + start).tolist()

    def _bounds(self, condition: Among, tables: dict[Among, Keep]) -> Bounds:
        """Evaluate a condition over blocks; other columns leave every block open."""
        table = tables[condition] = self._labels.table(condition)
        if condition.column in self._blocks:
            kept = table[self._blocks[condition.column]]
            return Bounds(kept, kept)
        whole = len(self._starts) - 1
        return Bounds(np.full(whole, table.all()), np.full(whole, table.any()))

    def _runs(self, kept: Keep) -> Runs:
        """Return the rows of blocks."""
        return Runs(self._starts[:-1][kept], self._starts[1:][kept])

    def _single(self, where: Where, tables: dict[Among, Keep], within: Runs) -> Runs:
        """Return the rows within some blocks that a filter keeps."""
        merged = within.merged()
        whole = len(merged.starts) == 1
        rows = slice(int(merged.starts[0]), int(merged.stops[0])) if whole else merged.positions()
        kept = where.evaluate(
            lambda condition: tables[condition][self._codes[rows, self._labels.number(condition.column)]]
        )
        found = np.flatnonzero(kept)
        return runs_of(found + merged.starts[0] if isinstance(rows, slice) else rows[found])


def runs_of(positions: Positions) -> Runs:
    """Return ascending positions as runs."""
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    firsts = np.concatenate([[0], breaks]) if len(positions) else breaks
    lasts = np.concatenate([breaks, [len(positions)]]) if len(positions) else breaks
    return Runs(positions[firsts], positions[lasts - 1] + 1)


def joined(one: Runs, other: Runs) -> Runs:
    """Return the rows of two disjoint sets of runs, in order."""
    starts, stops = np.concatenate([one.starts, other.starts]), np.concatenate([one.stops, other.stops])
    order = np.argsort(starts)
    return Runs(starts[order], stops[order])
