"""What this machine has."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
SIDE_BY_SIDE = "BESTIARY_SIDE_BY_SIDE"  # how many of a sweep's jobs share this machine


def cores() -> int:
    """Return how many cores this process may use; of jobs side by side each has its share."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, found // int(os.environ.get(SIDE_BY_SIDE, "1")))


def memory() -> int | None:
    """Return the bytes of memory that this process may use, None where the system does not say."""
    return min(filter(None, (installed(MEMINFO), limited(CGROUP / "memory.max"))), default=None)


def installed(file: Path) -> int | None:
    """Return the memory that Linux says there is, bytes."""
    try:
        return next(int(line.split()[1]) * 1024 for line in file.read_text().splitlines() if "MemTotal" in line)
    except (OSError, StopIteration):
        return None


def limited(file: Path) -> int | None:
    """Return the bytes that a control group may hold, None where nothing limits it."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
