"""The most memory that preparing takes at once, with ever more pictures: it should not grow with their number."""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import psutil

from benchmarks.timing import Ratio
from stages.config import CODE
from stages.console import track
from stages.fetch.archive import pack
from stages.fetch.layouts import kaggle
from stages.schema import Synthetic

SIZES = (1_000, 5_000, 25_000)
DRAWN = Synthetic(images=200, unlabelled=0, corrupt=0, smallest=64, largest=120)
SIZE = 64
PAUSE = 0.05
DATASET = "datasets.kaggle"


def peaks(sizes: tuple[int, ...] = SIZES) -> list[Ratio]:
    """Prepare collections of growing size, each by the stage's own command; compare with the smallest."""
    with tempfile.TemporaryDirectory() as home:
        drawn = drawings(Path(home))
        found = [peak(Path(home) / str(count), count, drawn) for count in track(sizes, len(sizes), "memory")]
    small = found[0]
    return [
        Ratio(
            f"most memory of preprocess, {count:,} pictures vs {sizes[0]:,}",
            f"{taken / 2**20:,.0f} MiB", f"{small / 2**20:,.0f} MiB", [small / taken], "≥ 0.67 (1 / 1.5)",
        )
        for count, taken in zip(sizes[1:], found[1:], strict=True)
    ]  # fmt: skip


def drawings(home: Path) -> list[bytes]:
    """Return some drawn pictures' files."""
    with zipfile.ZipFile(kaggle.draw(home, DRAWN, seed=0)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def peak(home: Path, count: int, drawn: list[bytes]) -> int:
    """Fetch and prepare so many pictures; return the most memory that preparing took, bytes."""
    home.mkdir()
    archive = home / "pictures.zip"
    pack(archive, ((f"train/{'cat' if n % 2 else 'dog'}.{n}.jpg", data) for n, data in enumerate(copies(drawn, count))))
    values = [f"{DATASET}.fetch.url={archive}", f"{DATASET}.preprocess.size={SIZE}"]
    environment = os.environ | {"DVC_ROOT": str(home), "PYTHONPATH": str(CODE)}
    words = [sys.executable, "-m"]
    fetch = [*words, "stages.fetch", "dataset=kaggle", *values]
    subprocess.run(fetch, cwd=home, env=environment, stdout=subprocess.DEVNULL, check=True)
    (run,) = (home / "runs").glob("*/*")
    return watched([*words, "stages.preprocess", "dataset=kaggle", *values, f"from={run}"], home, environment)


def copies(drawn: list[bytes], count: int) -> Iterator[bytes]:
    """Yield so many different files of the pictures: what follows a JPEG's end is not read."""
    for number, data in enumerate(islice(cycle(drawn), count)):
        yield data + number.to_bytes(4, "big")


def watched(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Run a command in a folder; return the most memory that it and its children held at once, bytes."""
    most = 0
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, held(process.pid))
            time.sleep(PAUSE)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[2:4])} ended with {process.returncode}")
    return most


def held(pid: int) -> int:
    """Return the bytes of memory that a process and its children hold, shared pages counted once for each."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0
