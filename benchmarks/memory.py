"""Preparing ever more pictures, on either engine: neither memory nor the time of a picture should grow."""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.timing import Ratio
from stages.config.schema import Synthetic
from stages.core.archive import write_zip
from stages.core.console import track
from stages.core.system import cpu_count
from stages.core.workspace import CODE_ROOT
from stages.layouts import kaggle

SIZES = (1_000, 10_000, 100_000)
ENGINES = {"local": ["engine=local"], "ray": ["engine=ray", "engine.address=null"]}
DRAWN = Synthetic(images=200, unlabelled=0, corrupt=0, classes=2, smallest=64, largest=120)
SIZE = 64
PAUSE = 0.05
DATASET = "datasets.kaggle"


class Prepared(NamedTuple):
    """What preparing took: the most memory at once, bytes, and time, seconds."""

    memory: int
    seconds: float


def peaks(sizes: tuple[int, ...] = SIZES, engines: Iterable[str] = ENGINES) -> list[Ratio]:
    """Prepare collections of growing size, each by the stage's own command; compare each with the one before."""
    with tempfile.TemporaryDirectory() as home:
        drawn = drawings(Path(home))
        runs = {count: fetched(Path(home) / str(count), count, drawn) for count in track(sizes, len(sizes), "fetch")}
        return [row for engine in engines for row in growing(runs, engine)]


def growing(runs: dict[int, Path], engine: str) -> Iterator[Ratio]:
    """Yield what an engine takes for more pictures beside what it took for the fewest: memory, and their rates."""
    words = track(runs.values(), len(runs), f"preprocess on {engine}")
    found = dict(zip(runs, (prepared(run, ENGINES[engine]) for run in words), strict=True))
    (few, small), *more = found.items()
    for count, large in more:
        what = f"preprocess on {engine}, {count:,} pictures vs {few:,}"
        yield Ratio(
            f"most memory of {what}", f"{large.memory / 2**20:,.0f} MiB", f"{small.memory / 2**20:,.0f} MiB",
            [small.memory / large.memory], "≥ 0.5",
        )  # fmt: skip
        ours, peer = count / large.seconds / cpu_count(), few / small.seconds / cpu_count()
        each = "images/s a core"
        yield Ratio(f"{what}, start included", f"{ours:,.0f} {each}", f"{peer:,.0f} {each}", [ours / peer], "≥ 1")


def drawings(home: Path) -> list[bytes]:
    """Return some drawn pictures' files."""
    with zipfile.ZipFile(kaggle.draw(home, DRAWN, seed=0)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def fetched(home: Path, count: int, drawn: list[bytes]) -> Path:
    """Fetch so many pictures; return the run that they are in."""
    home.mkdir()
    archive = home / "pictures.zip"
    write_zip(
        archive, ((f"train/{'cat' if n % 2 else 'dog'}.{n}.jpg", data) for n, data in enumerate(copies(drawn, count)))
    )
    with stage("fetch", home, [f"{DATASET}.fetch.url={archive}"]) as process:
        ended(process)
    (run,) = (home / "runs").glob("*/*")
    return run


def prepared(run: Path, words: list[str]) -> Prepared:
    """Prepare what was fetched in a run; return what that and its children held at once, and how long it took."""
    most, start = 0, time.perf_counter()
    with stage("preprocess", run.parents[2], [f"{DATASET}.preprocess.size={SIZE}", f"from={run}", *words]) as process:
        while process.poll() is None:
            most = max(most, held(process.pid))
            time.sleep(PAUSE)
        ended(process)
    return Prepared(most, time.perf_counter() - start)


def stage(name: str, home: Path, words: list[str]) -> "subprocess.Popen[bytes]":
    """Start a stage in a project of its own."""
    command = [sys.executable, "-m", f"stages.{name}", "dataset=kaggle", *words]
    environment = os.environ | {"DVC_ROOT": str(home), "PYTHONPATH": str(CODE_ROOT)}
    return subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.DEVNULL)


def ended(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a process, and raise where it failed."""
    if process.wait():
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")


def copies(drawn: list[bytes], count: int) -> Iterator[bytes]:
    """Yield so many different files of the pictures: what follows a JPEG's end is not read."""
    for number, data in enumerate(islice(cycle(drawn), count)):
        yield data + number.to_bytes(4, "big")


def held(pid: int) -> int:
    """Return the bytes of memory that a process and its children hold, shared pages counted once for each."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0
