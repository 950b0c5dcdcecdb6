"""One process at a time: the others wait, and say so. Who dies, however, lets go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stages.console import console


@contextmanager
def alone(target: Path, doing: str) -> Iterator[None]:
    """Hold what others may not touch meanwhile; `doing` says what another process does while this one waits.

    The lock is a hidden file beside the target, gone afterwards; of a killed process the next one takes it over.
    """
    file = target.with_name(f".{target.name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"another process is {doing}; waiting until it has ended", markup=False)
        lock.acquire()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # before it is let go: who waits sees that the file is gone, and makes a new one
        lock.release()
