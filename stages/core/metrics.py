"""Which of several runs is the best, by the metric that a config monitors."""

import math
from collections.abc import Mapping, Sequence

Metrics = Mapping[str, float]


def monitor_sort_key(monitor: str, mode: str, metrics: Metrics | None) -> float:
    """Computes a key by which runs sort best first; runs without metrics, or with NaN, come last.

    Args:
        monitor: The metric's name, e.g. "val_loss".
        mode: "min" if less is better, "max" if more is.
        metrics: The metrics of one run.
    """
    if not metrics or math.isnan(metrics[monitor]):
        return math.inf
    return metrics[monitor] if mode == "min" else -metrics[monitor]


def print_ranking(title: str, monitor: str, mode: str, runs: Sequence[tuple[str, Metrics | None, str]]) -> str:
    """Prints a table of runs, best first, failed ones last.

    Args:
        title: The table's title.
        monitor: The metric to compare.
        mode: "min" or "max".
        runs: (name, metrics, values) of each; metrics are None for a run that failed, empty for one without any.

    Returns:
        The name of the best run.
    """
    from rich.table import Table

    from stages.core.console import console

    ranked = sorted(runs, key=lambda run: (monitor_sort_key(monitor, mode, run[1]), run[1] is None))
    known = ranked[0][1] or {}
    names = [monitor, *(name for name in known if name != monitor)]
    table = Table(title=f"{title}, best by {mode} {monitor} first" if known else title, title_justify="left")
    for column in ("job", *names, "overrides"):
        table.add_column(column)
    for name, metrics, values in ranked:
        state = "failed" if metrics is None else "done"
        cells = [f"{metrics[key]:.5g}" for key in names] if metrics else [state, *[""] * (len(names) - 1)]
        table.add_row(name, *cells, values)
    console.print(table)
    return ranked[0][0]
