"""`python -m benchmarks`: run every comparison and write benchmarks/results.md."""

import platform
import tempfile
from pathlib import Path

from rich.table import Table

from benchmarks.data import CORES, epoch, packing
from benchmarks.features import caching
from benchmarks.growth import growth, matching
from benchmarks.keras_training import training
from benchmarks.objects import downloading
from benchmarks.searching import searching
from benchmarks.serving import inference
from benchmarks.similar_http import asking
from benchmarks.similarity import similarity
from benchmarks.timing import Ratio
from benchmarks.training import step
from stages.console import console
from stages.files import write_text

RESULTS = Path(__file__).with_name("results.md")
HEAD = ("claim", "ours", "peer", "ratio", "spread", "bar")


def main() -> None:
    """Compare, print, write."""
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        found = [
            packing(photos, 600, 500, 375, "≥ 1.15"),
            epoch(photos),
            packing(Path(scratch) / "large", 120, 2000, 1500, "≥ 2"),
            step(),
            *training(),
            downloading(),
            *caching(),
            *searching(),
            inference(),
            asking(),
            *similarity(),
            *growth(),
            matching(),
        ]
    table = Table(*HEAD)
    for ratio in found:
        table.add_row(*cells(ratio))
    console.print(table)
    write_text(RESULTS, markdown(found))


def cells(ratio: Ratio) -> tuple[str, ...]:
    """Return a row of the table."""
    spread = f"{min(ratio.pairs):.2f}–{max(ratio.pairs):.2f}"
    return ratio.claim, ratio.ours, ratio.peer, f"{ratio.median:.2f}×", spread, ratio.bar


def markdown(found: list[Ratio]) -> str:
    """Return the table as Markdown, with the machine it was measured on."""
    lines = [HEAD, ("---",) * len(HEAD), *map(cells, found)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        "# Benchmarks\n\n"
        "`make bench` writes this page. Ours and the peer take turns in one run; the ratio is the median of the pairs, "
        "above 1 where ours is faster.\n\n"
        f"Machine: {CORES} cores, {platform.machine()}, {processor()}, no GPU used.\n\n{rows}\n"
    )


def processor() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


if __name__ == "__main__":
    main()
