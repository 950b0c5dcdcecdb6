"""What a process holds in memory, as Linux's /proc says."""

import ctypes
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PAUSE = 0.01  # seconds


def resident(pid: int | None = None) -> float:
    """Return the resident memory of a process, MB; by default of this one, without what its allocator keeps unused."""
    if pid is None and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    return held("VmRSS", pid or os.getpid())


def watched(process: "subprocess.Popen[bytes]", patience: float) -> float:
    """Wait for a process's end and return the most it held, MB; one that takes longer (seconds) is killed.

    A child's resource usage would not do: with Linux it begins at what its parent held.
    """
    most, end = 0.0, time.monotonic() + patience
    while process.poll() is None:
        with suppress(OSError, StopIteration):
            most = held("VmHWM", process.pid)
        if time.monotonic() > end:
            process.kill()
        time.sleep(PAUSE)
    return most


def held(name: str, pid: int) -> float:
    """Return a line of a process's status, MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
