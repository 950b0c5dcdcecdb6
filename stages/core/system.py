"""The cores and the memory that this process may use."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
CONCURRENT_JOBS = "BESTIARY_CONCURRENT_JOBS"  # a sweep sets it for its jobs: how many of them share this machine


def cpu_count() -> int:
    """Counts the cores that this process may use; jobs of a sweep that run side by side share them evenly."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get(CONCURRENT_JOBS, "1")))


def total_memory() -> int | None:
    """Reads the bytes of memory that this process may use, a container's limit included; None if unknown."""
    return min(filter(None, (read_meminfo(MEMINFO), read_cgroup_limit(CGROUP / "memory.max"))), default=None)


def read_meminfo(file: Path) -> int | None:
    """Reads the machine's memory in bytes from Linux's /proc/meminfo; None if it is not there."""
    try:
        return next(int(line.split()[1]) * 1024 for line in file.read_text().splitlines() if "MemTotal" in line)
    except (OSError, StopIteration):
        return None


def read_cgroup_limit(file: Path) -> int | None:
    """Reads a control group's limit in bytes; None if there is none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
