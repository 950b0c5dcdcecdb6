"""`python -m benchmarks [NAME …]`: run the comparisons, all or those named, and renew their rows in results.md."""

import argparse
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from rich.table import Table

from benchmarks.table import HEAD, Row, markdown, read, renewed, row
from benchmarks.timing import Ratio
from stages.core.console import console
from stages.core.files import write_text

RESULTS = Path(__file__).with_name("results.md")
GROUPS = {  # in the order of the page: name → module and function, which returns a ratio or several
    "packing": "benchmarks.data:preparing",
    "memory": "benchmarks.memory:peaks",
    "step": "benchmarks.training:step",
    "keras": "benchmarks.keras_training:training",
    "objects": "benchmarks.objects:downloading",
    "features": "benchmarks.features:caching",
    "candidates": "benchmarks.searching:searching",
    "engines": "benchmarks.engines:engines",
    "torchserve": "benchmarks.answering:answering",
    "v2": "benchmarks.serving:inference",
    "similar": "benchmarks.similar_http:asking",
    "search": "benchmarks.similarity:similarity",
    "sizes": "benchmarks.growth:growth",
    "beyond": "benchmarks.beyond:beyond",
    "matches": "benchmarks.growth:matching",
    "startup": "benchmarks.startup:starting",
    "growth": "benchmarks.project_growth:measure_growth",
}


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(GROUPS)}; all when none is named")
    parser.add_argument("--list", action="store_true", help="print the names")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(GROUPS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    if asked.list:
        console.print("\n".join(GROUPS))
        return
    show(row for name in GROUPS if name in asked.names or not asked.names for row in renew(name))


def renew(name: str) -> list[Row]:
    """Measure a group and write its rows at once: what comes later may be interrupted."""
    rows = [row(name, ratio) for ratio in measured(name)]
    write_text(RESULTS, markdown(renewed(read(RESULTS), rows, GROUPS)))
    return rows


def measured(name: str) -> list[Ratio]:
    """Run the comparisons of a group."""
    module, _, function = GROUPS[name].partition(":")
    found: Ratio | list[Ratio] = getattr(import_module(module), function)()
    return [found] if isinstance(found, Ratio) else found


def show(rows: Iterable[Row]) -> None:
    """Print a table once all rows are there."""
    table = Table(*HEAD)
    for cells in list(rows):
        table.add_row(*cells)
    console.print(table)


if __name__ == "__main__":
    main()
