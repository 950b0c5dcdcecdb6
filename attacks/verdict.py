"""The table at the end of an attack, and its exit status."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from stages.core.console import console

SHOWN = 10  # things that are wrong with one row


def verdict(columns: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[str]]]) -> int:
    """Print a row for each trial, its cells and what is wrong with it; return 1 where anything is, else 0."""
    table, failed = Table(*columns, "holds", header_style="bold"), False
    for cells, wrong in rows:
        failed = failed or bool(wrong)
        said = "\n".join([*wrong[:SHOWN], *([f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else [])])
        table.add_row(*cells, f"[red]no: {said}" if wrong else "[green]yes")
    console.print(table)
    return int(failed)
