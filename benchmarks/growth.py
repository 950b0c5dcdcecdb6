"""What a larger collection costs: time to open, time for a query, memory; and the matches of a whole collection."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import BallTree

from benchmarks.artworks import BLOCKS, Drawn, Vectors, build, labels, unseen
from benchmarks.timing import Ratio, compare, seconds
from stages.index.conditional import ConditionalIndex
from stages.index.matches import write_matches

SIZES = (10_000, 100_000, 500_000)
ROUNDS, QUERIES, K = 3, 9, 10
MATCHED, LOOPED = 10_000, 4  # rows whose matches are found: all of a collection together, some one by one
STATUS = Path("/proc/self/status")


class Cost(NamedTuple):
    """What one process saw: seconds to open, seconds to answer, and its memory by that of the vectors."""

    load: float
    query: float
    memory: float


def growth() -> list[Ratio]:
    """Open and search collections of growing size, each in a process of its own, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / str(rows) for rows in SIZES]
        for place, rows in zip(places, SIZES, strict=True):
            build(place, rows)
        rounds = [[child(place) for place in places] for _ in range(ROUNDS)]
    small, middle, large = (list(costs) for costs in zip(*rounds, strict=True))
    return [
        slower("a query among 100,000 vs 10 among 10,000", middle, small, "query", 10, "≥ 0.9"),
        slower("a query among 500,000 vs 5 among 100,000", large, middle, "query", 5, "≥ 0.9"),
        slower("opening 500,000 vs 10,000", large, small, "load", 1, "≥ 0.5"),
        memory("memory of a search among 100,000 vs vectors + 20 %", middle),
        memory("memory of a search among 500,000 vs vectors + 20 %", large),
    ]


def child(folder: Path) -> Cost:
    """Measure in a fresh process."""
    program = f"from benchmarks.growth import measure; measure({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return Cost(*json.loads(done.stdout))


def measure(folder: str) -> None:
    """Print what opening an index and searching all of it cost."""
    before = resident()
    start = time.perf_counter()
    index = ConditionalIndex.load(Path(folder))
    load = time.perf_counter() - start
    queries = unseen(QUERIES)
    times = [seconds(lambda query=query: index.query(query, K)) for query in queries]  # type: ignore[misc]
    print(json.dumps([load, statistics.median(times[1:]), (resident() - before) / (4 * len(index) * index.dimension)]))  # noqa: T201


def resident() -> int:
    """Return the bytes of memory that this process holds, mapped files included."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def slower(claim: str, large: list[Cost], small: list[Cost], name: str, times: int, bar: str) -> Ratio:
    """Compare what a large collection costs with so many times what a small one does."""
    pairs = [(getattr(one, name), times * getattr(other, name)) for one, other in zip(large, small, strict=True)]
    shown = [f"{1000 * statistics.median(side):,.2f} ms" for side in zip(*pairs, strict=True)]
    return Ratio(claim, shown[0], shown[1], [other / own for own, other in pairs], bar)


def memory(claim: str, costs: list[Cost]) -> Ratio:
    """Compare the memory a search took with that of the vectors and a fifth more."""
    median = statistics.median(cost.memory for cost in costs)
    return Ratio(claim, f"{median:.2f} × vectors", "1.20 × vectors", [1.2 / cost.memory for cost in costs], "≥ 1")


def matching() -> Ratio:
    """Find the matches of a whole collection, against one ball tree for each label asked for every row."""
    vectors = Drawn(MATCHED)[np.arange(MATCHED)]
    named = labels(MATCHED)
    values = [np.array(named[column]) for column in BLOCKS]
    trees = [BallTree(vectors[rows == one], leaf_size=50) for rows in values for one in np.unique(rows)]
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder) / "index", MATCHED)
        file = Path(folder) / "matches.parquet"

        def ours() -> None:
            write_matches(index.stored, file, K)

        def loop() -> float:
            return MATCHED / LOOPED * seconds(lambda: loop_over(trees, vectors[:LOOPED]))

        return compare("matches of every artwork in every culture and medium", ours, loop, (MATCHED, "rows"), "≥ 20", 1)


def loop_over(trees: list[BallTree], rows: Vectors) -> None:
    """Ask every tree for the best of every row, which may be among them itself."""
    for row in rows:
        for tree in trees:
            tree.query(row[None], min(K + 1, len(tree.data)))
