"""Where pieces of work run: one after another on this machine's threads, or side by side on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import Protocol, TypeVar

from stages.console import progress
from stages.machine import cores
from stages.schema import EngineConfig

P = TypeVar("P", bound=Sized)
R = TypeVar("R")
T = TypeVar("T")

Advance = Callable[[int], None]
Work = Callable[[P, int, Advance], R]
"""What is done to a piece, on so many threads; it tells how many of the piece's items are done.

It travels to other machines by pickle, and a piece whose machine dies is done again: nothing but the piece may matter.
"""


class Engine(Protocol):
    """Runs work on pieces, each of them some items."""

    def cut(self, items: Sequence[T], each: int) -> list[Sequence[T]]:
        """Return items in pieces for several machines, all in one for a single one."""

    def run(self, words: str, work: Work[P, R], pieces: Sequence[P], most: int | None = None) -> Iterator[R]:
        """Yield what comes of every piece, in any order; `words` say what is done, at most `most` run at once.

        An error of the work is raised here, and what has not begun by then is dropped.
        """


class Local:
    """This machine: a piece at a time, on all threads."""

    def __init__(self, workers: int = 0) -> None:
        self.threads = workers or cores()

    def cut(self, items: Sequence[T], each: int) -> list[Sequence[T]]:  # noqa: ARG002
        """Return all items as one piece."""
        return [items] if items else []

    def run(self, words: str, work: Work[P, R], pieces: Sequence[P], most: int | None = None) -> Iterator[R]:  # noqa: ARG002
        """Yield what comes of every piece, in order."""
        if not pieces:
            return
        with progress() as bar:
            task = bar.add_task(words, total=sum(map(len, pieces)))
            for piece in pieces:
                yield work(piece, self.threads, lambda done: bar.advance(task, done))


def engine(config: EngineConfig) -> Engine:
    """Return the engine that the config names."""
    if config.name == "local":
        return Local(config.workers)
    from stages.cluster import Cluster

    return Cluster(config)
