"""How a scan reads the rows that a filter keeps: in spans, over small gaps where that is cheaper, or row by row."""

from dataclasses import dataclass

import numpy as np

from stages.index.conditional.queries import Positions
from stages.index.conditional.rows import Runs

# Measured, in nanoseconds; only their ratios matter, and only to speed.
BYTE = 0.025  # read in order
ROW = 20.0  # at least, however short
CALL = 2000.0  # on a span
FLOP = 0.006  # in a matrix product
GATHERED = 3.0  # times as much as when read in order
PRODUCT = 64  # rows, below which matrix products are slow
FEW = 2  # queries that are scanned one by one: a matrix product with so few takes longer


@dataclass(frozen=True)
class Costs:
    """What reading costs, in rows of a span: a row gathered, and a span's begin."""

    gathered: float
    call: float


@dataclass(frozen=True)
class Plan:
    """Spans to read whole, the positions in them that are not wanted, and the positions of rows to gather."""

    spans: Runs
    gaps: Positions
    scattered: Positions


def costs(dimension: int, queries: int) -> Costs:
    """Return the costs for rows of float32 numbers and so many queries; more than two share a matrix product."""
    row = max(ROW, BYTE * 4 * dimension)
    if queries <= FEW:
        return Costs(GATHERED, CALL / (row * queries))
    work = max(row, 2 * FLOP * dimension * queries)
    return Costs(1 + GATHERED * row / work, PRODUCT)


def plan(runs: Runs, prices: Costs) -> Plan:
    """Return the cheapest reading of all rows of the runs."""
    if len(runs.starts) == 1 and runs.count >= prices.call:
        return Plan(runs, runs.starts[:0], runs.starts[:0])
    apart = runs.starts[1:] - runs.stops[:-1] >= prices.gathered
    group = np.concatenate([[0], np.cumsum(apart)])
    near = runs.merged(int(np.ceil(prices.gathered)) - 1)
    rows = np.bincount(group, weights=runs.stops - runs.starts)
    whole = (near.stops - near.starts + prices.call <= prices.gathered * rows)[group]
    chosen, rest = Runs(runs.starts[whole], runs.stops[whole]), Runs(runs.starts[~whole], runs.stops[~whole])
    spans = chosen.merged(int(prices.call)) if len(chosen.starts) else chosen
    return Plan(spans, between(chosen, spans), rest.positions())


def between(runs: Runs, spans: Runs) -> Positions:
    """Return the positions between runs that lie within a span."""
    inside = ~np.isin(runs.starts[1:], spans.starts)
    return Runs(runs.stops[:-1][inside], runs.starts[1:][inside]).positions()
