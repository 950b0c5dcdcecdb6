"""Matches: for every row the k best others within every label of every block column, in one pass of matrix products."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stages.core.files import atomic_file
from stages.index.conditional.queries import Positions, Queries
from stages.index.conditional.ranking import Neighbours, Ranking
from stages.index.conditional.stored import Stored
from stages.index.conditional.write import Watch, quietly

PIECE = 1024  # rows in a matrix product
MOST = 1024  # queries in one; more gain nothing
CANDIDATE = 200  # bytes of a match while it is found, sorted and written

SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "column": pa.dictionary(pa.int32(), pa.string()),
        "label": pa.dictionary(pa.int32(), pa.string()),
        "rank": pa.int32(),
        "match": pa.int64(),
        "score": pa.float64(),
    }
)

Table = dict[str, npt.NDArray[np.generic]]


class Segment(NamedTuple):
    """Adjacent rows (positions) that carry the same label of a column, both by number."""

    column: int
    label: int
    start: int
    stop: int


def write_matches(stored: Stored, file: Path, k: int, memory_mb: int = 1024, watch: Watch = quietly) -> None:
    """Write for every row its k best others of every label of every block column, sorted, a row group for each batch.

    The columns are id, column, label, rank (from 1), match (an id) and score; the order is that of `query`.
    Memory beside the mapped vectors stays within memory_mb. Raise ValueError where the index has no block columns.
    """
    if not stored.blocks or k < 1:
        raise ValueError(
            f"matches: {k} neighbours in {len(stored.blocks)} block columns; one or more are needed of both"
        )
    labels = [stored.labels[column] for column in stored.blocks]
    step = batch(stored, k, memory_mb)
    starts = range(0, stored.count, step)
    positions = np.argsort(stored.ids)
    with atomic_file(file) as scratch, pq.ParquetWriter(scratch, SCHEMA, compression="zstd") as writer:
        for start in watch(starts, len(starts), "matches"):
            table = found(stored, positions[start : start + step], k)
            writer.write_table(arrow(table, stored.blocks, labels), row_group_size=max(1, len(table["id"])))


def batch(stored: Stored, k: int, memory_mb: int) -> int:
    """Return how many rows are matched at a time."""
    labels = sum(len(stored.labels[column]) for column in stored.blocks)
    each = 12 * stored.dimension + 12 * PIECE + CANDIDATE * labels * (k + 1)
    return max(1, min(MOST, (memory_mb << 20) // each))


def segments(stored: Stored, start: int, stop: int) -> Iterator[Segment]:
    """Yield where the labels of each block column change between two positions."""
    for number, column in enumerate(stored.blocks):
        labels, firsts = stored.rows.changes(column, start, stop)
        lasts = [*firsts[1:], stop]
        yield from map(partial(Segment, number), labels, firsts, lasts)


def found(stored: Stored, positions: Positions, k: int) -> Table:
    """Return the matches of some rows."""
    queries = Queries(stored.vectors[positions], stored.largest)
    names = [(column, label) for column, name in enumerate(stored.blocks) for label in range(len(stored.labels[name]))]
    few = 4 * (k + 1) * len(positions)
    rankings = {name: Ranking(stored.vectors, stored.ids, queries, k + 1, few) for name in names}
    for start in range(0, stored.count, PIECE):
        stop = min(start + PIECE, stored.count)
        scores = stored.vectors[start:stop] @ queries.scaled.T
        for part in segments(stored, start, stop):
            locate = partial(np.add, part.start)
            rankings[part.column, part.label].offer(locate, scores[part.start - start : part.stop - start])
    own = stored.ids[positions]
    tables = [others(own, name, ranking.result(), k) for name, ranking in rankings.items()]
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    order = np.argsort(joined["id"], kind="stable")
    return {name: values[order] for name, values in joined.items()}


def others(own: Positions, name: tuple[int, int], best: Neighbours, k: int) -> Table:
    """Return the k best of each row (of k + 1) but itself, and what label they are of."""
    other = best.ids != own[:, None]
    rank = np.cumsum(other, axis=1)
    row, place = np.nonzero(other & (rank <= k))
    return {
        "id": own[row],
        "column": np.full(len(row), name[0], np.int32),
        "label": np.full(len(row), name[1], np.int32),
        "rank": rank[row, place].astype(np.int32),
        "match": best.ids[row, place],
        "score": best.scores[row, place],
    }


def arrow(table: Table, columns: list[str], labels: list[list[str]]) -> pa.Table:
    """Return matches with the names of columns and labels, each stored once."""
    names = sorted({label for column in labels for label in column})
    places = {name: place for place, name in enumerate(names)}
    first = np.cumsum([0, *map(len, labels)])[table["column"]]
    place = np.array([places[label] for column in labels for label in column], dtype=np.int32)[first + table["label"]]
    named = {
        "column": pa.DictionaryArray.from_arrays(table["column"], columns),
        "label": pa.DictionaryArray.from_arrays(place, names),
    }
    return pa.table({**table, **named}, schema=SCHEMA)
