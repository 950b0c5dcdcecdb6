"""A collection larger than the memory it is given: built from shards and searched within 2 GiB, beside all of it."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.artworks import DIMENSION, Drawn, labels, unseen
from benchmarks.timing import Ratio, shorter
from stages.core.arrays import ShardedArray
from stages.index.conditional import ApproximateIndex, ConditionalIndex
from stages.index.conditional.approximate import train
from stages.index.conditional.pages import HELD, Bounded, Budget
from stages.index.conditional.where import among
from stages.train.features import KEY, Cache

ROWS, MEMORY_MB, ROUNDS, QUERIES, K, BATCH = 500_000, 1024, 3, 9, 10, 64
LIMIT = 2 << 30  # bytes of memory, of a whole process
ALL = 1 << 30  # MiB: more than any collection
BLOCKS = ["Culture"]
STATUS = Path("/proc/self/status")
SEARCHES: dict[str, tuple[Any, Any, int]] = {
    "no filter": (ConditionalIndex, None, 1),
    "no filter, 64 queries": (ConditionalIndex, None, BATCH),
    "a filter by blocks": (ConditionalIndex, among("Culture", ["Culture 03"]), 1),
    "a filter of single rows": (ConditionalIndex, among("Classification", ["Classification 05"]), 1),
    "approximate": (ApproximateIndex, None, 1),
}

Seen = dict[str, float]


def beyond(rows: int = ROWS, memory_mb: int = MEMORY_MB, rounds: int = ROUNDS) -> list[Ratio]:
    """Build a collection and its lists, each in a process of its own; search it with and without bounds, in turn."""
    with tempfile.TemporaryDirectory() as home:
        drawn(Path(home), rows)
        built = [child(step, home, rows, memory_mb) for step in ("index", "lists")]
        found = [[child("search", home, rows, memory) for memory in (memory_mb, ALL)] for _ in range(rounds)]
    size = f"{rows:,} × {DIMENSION} ({rows * DIMENSION / 2**28:.1f} GiB)"
    within = [once["peak"] for once, _ in found]
    return [
        peak(f"building {size} from shards, {built[0]['seconds']:,.0f} s", [built[0]["peak"]]),
        peak(f"sorting them into FAISS's lists, {built[1]['seconds']:,.0f} s", [built[1]["peak"]]),
        peak(f"searching them in every way, memory_mb={memory_mb}", within),
        *(versus(name, [once[name] for once, _ in found], [other[name] for _, other in found]) for name in SEARCHES),
    ]


def peak(claim: str, most: list[float]) -> Ratio:
    """Compare the most memory that a process had, mapped pages included, with the limit."""
    shown = f"{statistics.median(most) / 2**20:,.0f} MiB"
    return Ratio(f"most memory of {claim}", shown, f"{LIMIT >> 20:,} MiB", [LIMIT / one for one in most], "≥ 1")


def versus(name: str, bounded: list[float], free: list[float]) -> Ratio:
    """Compare the time of a query in both."""
    return shorter(f"a query, {name}, within bounds vs all mapped", bounded, free, "reported")


def drawn(home: Path, rows: int) -> ShardedArray:
    """Return a collection in the shards of a feature cache, drawn where it is not there."""
    source = Drawn(rows)
    keys = np.array([number.to_bytes(8, "big") + b"features" for number in range(rows)], KEY)
    (home / "features").mkdir(exist_ok=True)
    return Cache(home / "features", DIMENSION).rows(keys, source.__getitem__, "features")


def child(step: str, home: str, rows: int, memory_mb: int) -> Seen:
    """Measure a step in a fresh process."""
    program = f"from benchmarks import beyond; beyond.measure({step!r}, {home!r}, {rows}, {memory_mb})"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    return seen


def measure(step: str, home: str, rows: int, memory_mb: int) -> None:
    """Print what a step took: seconds, and the most memory that this process had, bytes."""
    place, start = Path(home), time.perf_counter()
    steps: dict[str, Callable[[], Seen]] = {
        "index": partial(index, place, rows),
        "lists": partial(lists, place / "index", memory_mb),
        "search": partial(search, place / "index", memory_mb),
    }
    seen = steps[step]()
    print(json.dumps({"seconds": time.perf_counter() - start} | seen | {"peak": resident()}))  # noqa: T201


def index(home: Path, rows: int) -> Seen:
    """Build the index, as the stage does."""
    ConditionalIndex.build(home / "index", Bounded(drawn(home, rows), Budget(HELD)), labels(rows), BLOCKS)
    return {}


def lists(folder: Path, memory_mb: int) -> Seen:
    """Sort its vectors into FAISS's lists."""
    return {"recall": train(ConditionalIndex.load(folder, memory_mb=memory_mb)).recall}


def search(folder: Path, memory_mb: int) -> Seen:
    """Search in every way; return the median time of a query, seconds."""
    return {name: median(kind.load(folder, memory_mb=memory_mb), *asked) for name, (kind, *asked) in SEARCHES.items()}


def median(opened: ConditionalIndex, where: Any, many: int) -> float:
    """Return the median time of a query among so many asked together, after one that does not count."""
    queries, times = unseen(QUERIES * many), []
    for number in range(QUERIES):
        start = time.perf_counter()
        opened.query(queries[number * many : (number + 1) * many], K, where)
        times.append((time.perf_counter() - start) / many)
    return statistics.median(times[1:])


def resident() -> int:
    """Return the most bytes of memory that this process ever had, mapped files included."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
