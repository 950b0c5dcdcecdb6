"""The page of results: a table of ratios, each row with its group, so that some groups can be measured anew."""

import platform
from collections.abc import Iterable
from pathlib import Path

from benchmarks.timing import Ratio
from stages.core.system import cpu_count

HEAD = ("group", "claim", "ours", "peer", "ratio", "spread", "bar")

Row = tuple[str, ...]


def row(group: str, ratio: Ratio) -> Row:
    """Return a row of the table."""
    spread = f"{min(ratio.pairs):.2f}–{max(ratio.pairs):.2f}"
    return group, ratio.claim, ratio.ours, ratio.peer, f"{ratio.median:.2f}×", spread, ratio.bar


def renewed(old: list[Row], new: list[Row], order: Iterable[str]) -> list[Row]:
    """Return the rows in the order of the groups: the new ones of a group where it has any, else the old ones."""
    measured = {group for group, *_ in new}
    kept = [line for line in old if line[0] not in measured]
    return [line for group in order for line in (*kept, *new) if line[0] == group]


def read(page: Path) -> list[Row]:
    """Return the rows of a page, none where there is no page yet."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("|")]
    return [line for line in cells[2:] if len(line) == len(HEAD)]


def markdown(rows: list[Row]) -> str:
    """Return the page, with the machine it was measured on."""
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        "# Benchmarks\n\n"
        "`make bench` writes this page, `python -m benchmarks NAME …` renews the rows of some groups. "
        "Ours and the peer take turns in one run; the ratio is the median of the pairs, above 1 where ours is "
        "faster, or smaller.\n\n"
        f"Machine: {cpu_count()} cores, {platform.machine()}, {processor()}, no GPU used.\n\n{table}\n"
    )


def processor() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
