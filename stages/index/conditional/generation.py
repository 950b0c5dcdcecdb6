"""One generation of a folder: what a reader opens belongs together while a writer replaces it."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

DESCRIPTION = "index.json"
PATIENCE = 2.0  # seconds
PAUSE = 0.01  # seconds

T = TypeVar("T")


def consistent(folder: Path, read: Callable[[], T]) -> T:
    """Return what `read` opens of an index folder, opened again when the folder was replaced meanwhile.

    Files opened stay valid after a writer has unlinked them. Raise FileNotFoundError where a file is really missing.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with held(folder) as replaced:
                try:
                    opened = read()
                except Exception:
                    if not replaced():
                        raise
                else:
                    if not replaced():
                        return opened
        except FileNotFoundError:
            if time.monotonic() > end:
                raise
        time.sleep(PAUSE)


@contextmanager
def held(folder: Path) -> Iterator[Callable[[], bool]]:
    """Yield what tells whether another folder has taken this one's place; while it is held, none has its number."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield lambda: not os.path.samestat(os.fstat(handle), folder.stat())
    finally:
        os.close(handle)
