"""Whose turn it is: items handed to many threads, of one group only so many at a time."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Items, each to one of the threads that iterate; a full group holds up none of the others.

    `group` says what an item belongs to (None: nothing, without a bound); at most `most` of a group are in hand.
    """

    def __init__(self, items: Iterable[T], group: Callable[[T], Hashable], most: int | None) -> None:
        self._group, self._most = group, most
        self._waiting: dict[Hashable, deque[T]] = defaultdict(deque)
        for item in items:
            self._waiting[group(item)].append(item)
        self._ready = deque(self._waiting)
        self._room = {name: most if name is not None and most else len(found) for name, found in self._waiting.items()}
        self._changed = threading.Condition()
        self._closed = False

    def __iter__(self) -> Iterator[T]:
        while (group := self._take()) is not None:
            name, item = group
            try:
                yield item
            finally:
                self._done(name)

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self) -> tuple[Hashable, T] | None:
        """Return an item of the group whose turn it is; wait while every group that has items is full."""
        with self._changed:
            while not self._closed and self._waiting:
                for _ in range(len(self._ready)):
                    name = self._ready.popleft()
                    if name not in self._waiting:
                        continue
                    self._ready.append(name)
                    if self._room[name]:
                        return name, self._pop(name)
                self._changed.wait()
        return None

    def _pop(self, name: Hashable) -> T:
        """Take an item out of a group that has one and room."""
        self._room[name] -= 1
        item = self._waiting[name].popleft()
        if not self._waiting[name]:
            del self._waiting[name]
            if not self._waiting:
                self._changed.notify_all()
        return item

    def _done(self, name: Hashable) -> None:
        """Give an item's place back."""
        with self._changed:
            self._room[name] += 1
            self._changed.notify()
