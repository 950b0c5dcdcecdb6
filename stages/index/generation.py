"""One generation of a folder: what a reader opens belongs together while a writer replaces it."""

import time
from collections.abc import Callable
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
            before = (folder / DESCRIPTION).read_bytes()
            opened = read()
            if (folder / DESCRIPTION).read_bytes() == before:
                return opened
        except (FileNotFoundError, ValueError):
            if time.monotonic() > end:
                raise
        time.sleep(PAUSE)
