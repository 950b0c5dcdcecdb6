"""Work on many items at once: bounded and in order in this process, or as chunks on threads or a Ray cluster."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from stages.core.system import cpu_count

if TYPE_CHECKING:
    from stages.config.schema import EngineConfig

C = TypeVar("C", bound=Sized)
R = TypeVar("R")
T = TypeVar("T")

Advance = Callable[[int], None]
Work = Callable[[C, int, Advance], R]
"""Callable `(chunk, num_threads, advance) -> result`.

It calls `advance(n)` after every n items of the chunk. It is pickled to remote workers and retried if one dies, so it
must be idempotent and depend on the chunk alone.
"""


class Executor(Protocol):
    """Runs work on chunks of items, on this machine or on a cluster. The results are the same, byte for byte."""

    def split(self, items: Sequence[T], chunk_size: int) -> list[Sequence[T]]:
        """Splits items into the chunks that `map` takes: of `chunk_size` for a cluster, all in one for one machine."""

    def map(self, description: str, work: Work[C, R], chunks: Sequence[C], limit: int | None = None) -> Iterator[R]:
        """Runs work on every chunk and yields the results in any order, with a progress bar.

        Args:
            description: What is done, for the bar: "packing".
            work: See `Work`.
            chunks: What `split` returned.
            limit: How many chunks may run at once; None leaves it to the executor.

        Raises:
            Exception: The first error of the work. Chunks that have not begun by then are dropped.
        """


class LocalExecutor:
    """This machine: one chunk at a time, on all threads."""

    def __init__(self, workers: int = 0) -> None:
        self.num_threads = workers or cpu_count()

    def split(self, items: Sequence[T], chunk_size: int) -> list[Sequence[T]]:  # noqa: ARG002
        """Keeps all items in one chunk."""
        return [items] if items else []

    def map(self, description: str, work: Work[C, R], chunks: Sequence[C], limit: int | None = None) -> Iterator[R]:  # noqa: ARG002
        """Runs work on every chunk and yields the results in order."""
        from stages.core.console import create_progress

        if not chunks:
            return
        with create_progress() as bar:
            task = bar.add_task(description, total=sum(map(len, chunks)))
            for chunk in chunks:
                yield work(chunk, self.num_threads, lambda done: bar.advance(task, done))


def create_executor(config: "EngineConfig") -> Executor:
    """Creates the executor that the config's `engine` names."""
    if config.name == "local":
        return LocalExecutor(config.workers)
    from stages.core.ray_executor import RayExecutor

    return RayExecutor(config)


def map_ordered(pool: Pool, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Yields function(item) in the order of the items, computed in a pool.

    At most `ahead` items are under way, so a slow consumer bounds the memory. The first error is raised here; items
    that have not begun by then are dropped.
    """
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def create_process_pool(workers: int | None = None) -> ProcessPoolExecutor:
    """Creates a pool of processes, one for each core by default, that end when this process is killed."""
    return ProcessPoolExecutor(workers, initializer=exit_with_parent)


def exit_with_parent() -> None:
    """Ends this process when its parent ends: orphaned pool workers would wait for work for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
