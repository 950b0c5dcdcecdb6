"""`min.NAME` and `max.NAME`: which of several rows of metrics is the best."""

import math
from collections.abc import Mapping


def rank(monitor: str, metrics: Mapping[str, float] | None) -> float:
    """Return what to sort by, the best first; not a number, or no metrics at all, come last."""
    mode, _, name = monitor.partition(".")
    if metrics is None or math.isnan(metrics[name]):
        return math.inf
    return metrics[name] if mode == "min" else -metrics[name]
