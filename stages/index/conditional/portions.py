"""A plan in portions: as many rows as are scored before the ranking sees them, in pieces as large as caches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stages.index.conditional.plan import Plan
from stages.index.conditional.queries import Positions
from stages.index.conditional.rows import Runs


@dataclass(frozen=True)
class Portion:
    """Some rows: how many, which piece fills which scores, which scores are of no kept row, where a row lies."""

    count: int
    pieces: list[tuple[slice | Positions, slice]]
    gaps: Positions
    locate: Callable[[Positions], Positions]


def portions(plan: Plan, most: int, piece: int, gathered: int) -> Iterator[Portion]:
    """Yield the spans in portions of about `most` rows, pieces of at most `piece`; then the rows to gather."""
    cut = pieces(plan.spans, piece)
    part = (np.cumsum(cut.stops - cut.starts) - 1) // most
    bounds = [0, *(np.flatnonzero(part[1:] != part[:-1]) + 1).tolist(), len(part)] if len(part) else []
    for first, last in pairwise(bounds):
        yield spanned(Runs(cut.starts[first:last], cut.stops[first:last]), plan.gaps)
    for start in range(0, len(plan.scattered), most):
        yield scattered(plan.scattered[start : start + most], gathered)


def pieces(spans: Runs, most: int) -> Runs:
    """Return spans cut into pieces of at most so many rows."""
    counts = -(-(spans.stops - spans.starts) // most)
    if (counts <= 1).all():
        return spans
    order = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(spans.starts, counts) + order * most
    return Runs(starts, np.minimum(starts + most, np.repeat(spans.stops, counts)))


def spanned(rows: Runs, gaps: Positions) -> Portion:
    """Return a portion of whole spans."""
    ends = np.cumsum(rows.stops - rows.starts)
    pairs = zip(rows.starts.tolist(), rows.stops.tolist(), ends.tolist(), strict=True)
    read: list[tuple[slice | Positions, slice]] = [
        (slice(start, stop), slice(end - stop + start, end)) for start, stop, end in pairs
    ]
    return Portion(int(ends[-1]), read, blank(rows, gaps), rows.at)


def blank(rows: Runs, gaps: Positions) -> Positions:
    """Return which of the rows are gaps, by their number among the rows."""
    if not len(gaps):
        return gaps
    first, last = np.searchsorted(gaps, [rows.starts[0], rows.stops[-1]])
    return rows.order(gaps[first:last])


def scattered(positions: Positions, most: int) -> Portion:
    """Return a portion of single rows."""
    starts = range(0, len(positions), most)
    read: list[tuple[slice | Positions, slice]] = [
        (positions[start : start + most], slice(start, min(start + most, len(positions)))) for start in starts
    ]
    return Portion(len(positions), read, positions[:0], positions.__getitem__)
