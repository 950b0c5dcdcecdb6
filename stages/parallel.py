"""Work on many items at once, in order and within bounds."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ordered(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Yield function(item) in order, with at most `ahead` items under way: a slow reader bounds the memory.

    The first error is raised here, and what has not begun by then is dropped.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def processes(workers: int | None = None) -> ProcessPoolExecutor:
    """Return a pool of processes, one for each core unless told otherwise; they end when this one is killed."""
    return ProcessPoolExecutor(workers, initializer=watch)


def watch() -> None:
    """End this process with the one that started it: else a pool's processes wait for ever for work."""
    threading.Thread(target=follow, daemon=True).start()


def follow() -> None:
    """Wait for the end of the process that started this one, and end too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
