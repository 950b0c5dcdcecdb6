"""What this machine has."""

import os

SIDE_BY_SIDE = "BESTIARY_SIDE_BY_SIDE"  # how many of a sweep's jobs share this machine


def cores() -> int:
    """Return how many cores this process may use; of jobs side by side each has its share."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, found // int(os.environ.get(SIDE_BY_SIDE, "1")))
