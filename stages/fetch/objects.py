"""Many objects, fetched at once: bounded, each in one piece beside its place and renamed, none twice."""

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from stages.core.concurrency import Advance, Executor, LocalExecutor
from stages.core.errors import UserError, first_line
from stages.core.redaction import redact_url
from stages.fetch.limits import Damaged, Limits
from stages.fetch.stores import Store, open_store, split
from stages.fetch.turns import Turns

WAIT = 0.1
LONGEST = 5.0
PIECE = 1000  # objects that a machine of a cluster fetches at a time


@dataclass(frozen=True)
class Wanted:
    """An object, the file that it shall be, and where it is asked for ("row 17 of images.csv")."""

    bucket: str
    key: str
    target: Path
    where: str

    @property
    def address(self) -> str:
        """The object's URL, fit for logs."""
        scheme, name = split(self.bucket)
        return redact_url(f"{scheme}://{name}/{self.key}")

    @property
    def server(self) -> str | None:
        """The web server that is asked, however it is spelled; a store, which is built for many requests, is none."""
        scheme, name = split(self.bucket)
        if scheme not in ("http", "https"):
            return None
        host, colon, port = name.partition("/")[0].rpartition("@")[2].lower().rpartition(":")
        return host if colon and port in ("80", "443") else f"{host}{colon}{port}"


@dataclass(frozen=True)
class Outcome:
    """What became of an object: "fetched", "there", "stopped", or "failed" and why."""

    item: Wanted
    state: str
    why: str = ""

    @property
    def error(self) -> UserError:
        """Which object did not come, and why."""
        item, name = self.item, split(self.item.bucket)[1].rpartition("@")[2]
        return UserError(f"{item.address}: {self.why} (bucket {name}, key {item.key}, {item.where})")


@dataclass(frozen=True)
class Manner:
    """How objects are asked for: how many at once, how many of one web server, how often each, how much of it.

    Without `attempts` it is as often as each kind of store is worth asking; `check` raises a UserError for bytes that
    are not taken. `per_server` holds for all machines of a cluster together, `workers` for each of its tasks.
    """

    workers: int
    per_server: int | None = None
    attempts: int | None = None
    limits: Limits = field(default_factory=Limits)
    check: Callable[[bytes], object] = len
    strict: bool = False


@dataclass(frozen=True)
class Fetching:
    """Fetches objects in a manner; a strict one ends with the first that does not come."""

    manner: Manner

    def __call__(self, wanted: Sequence[Wanted], _: int, advance: Advance) -> list[Outcome]:
        """Return what became of each."""
        found = []
        for outcome in outcomes(wanted, self.manner):
            if self.manner.strict and outcome.state == "failed":
                raise outcome.error
            found.append(outcome)
            advance(1)
        return found


def fetch_all(wanted: Sequence[Wanted], workers: int, engine: Executor | None = None) -> Counter[str]:
    """Fetch objects by `workers` threads, which share their connections; return how many came and how many were there.

    An object that is missing or forbidden ends it at once with a UserError naming bucket and key.
    """
    found = spread(wanted, Manner(workers, strict=True), engine or LocalExecutor())
    return Counter(outcome.state for outcome in found)


def spread(wanted: Sequence[Wanted], manner: Manner, engine: Executor) -> Iterator[Outcome]:
    """Fetch objects where the engine does; yield what became of each."""
    pieces = engine.split(wanted, PIECE)
    polite = len(pieces) > 1 and any(item.server for item in wanted)
    most = manner.per_server if polite else None
    if most:
        manner = replace(manner, per_server=1)
    for found in engine.map("fetching", Fetching(manner), pieces, most):
        yield from found


def outcomes(wanted: Sequence[Wanted], manner: Manner) -> Iterator[Outcome]:
    """Fetch objects, all at once within the manner's bounds; yield what became of each, as they come."""
    stores = {
        scheme: open_store(scheme, manner.workers, manner.limits)
        for scheme in {split(item.bucket)[0] for item in wanted}
    }
    for folder in {item.target.parent for item in wanted}:
        folder.mkdir(parents=True, exist_ok=True)
    stop, found = threading.Event(), SimpleQueue[Outcome | BaseException]()
    turns = Turns(wanted, lambda item: item.server, manner.per_server)
    with ThreadPoolExecutor(manner.workers) as pool:
        try:
            for _ in range(min(manner.workers, len(wanted))):
                pool.submit(work, turns, stores, manner, stop, found)
            for _ in wanted:
                outcome = found.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            stop.set()
            turns.close()


def work(
    turns: Turns[Wanted], stores: dict[str, Store], manner: Manner, stop: threading.Event,
    found: "SimpleQueue[Outcome | BaseException]",
) -> None:  # fmt: skip
    """Fetch one object after another, until there is none left."""
    for item in turns:
        try:
            found.put(fetch(stores, manner, stop, item))
        except BaseException as error:  # whoever waits for the outcome must not wait for ever
            found.put(error)


def fetch(stores: dict[str, Store], manner: Manner, stop: threading.Event, item: Wanted) -> Outcome:
    """Fetch one object, again where that may help."""
    scheme, bucket = split(item.bucket)
    store, have = stores[scheme], item.target if item.target.exists() else None
    attempts = manner.attempts or store.attempts
    for attempt in range(1, attempts + 1):
        try:
            content = store.get(bucket, item.key, have)
            if content is not None:
                manner.check(content)
            break
        except (FileNotFoundError, PermissionError, UserError) as error:
            return Outcome(item, "failed", reason(error))
        except Exception as error:  # every store's client has errors of its own
            if attempt == attempts:
                return Outcome(item, "failed", f"gave up after {attempt} attempts; run again to go on: {reason(error)}")
            stop.wait(pause(error, attempt))
        if stop.is_set():
            return Outcome(item, "stopped")
    if content is None:
        return Outcome(item, "there")
    keep(item.target, content)
    return Outcome(item, "fetched")


def pause(error: Exception, attempt: int) -> float:
    """Return how long to wait before another attempt, seconds: as the server says, else longer each time."""
    if isinstance(error, Damaged) and error.later is not None:
        return error.later
    return min(LONGEST, WAIT * 2.0**attempt) * random.uniform(0.5, 1)


def keep(target: Path, content: bytes) -> None:
    """Write a file beside its place, and rename it when all of it is on the disk."""
    scratch = target.with_name(f".{target.name}.partial")
    with scratch.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    scratch.replace(target)


def reason(error: Exception) -> str:
    """Say what a store's error means."""
    if isinstance(error, FileNotFoundError):
        return "not found"
    if isinstance(error, PermissionError):
        return f"not allowed ({first_line(error)}); are your credentials in the environment?"
    return str(error) if isinstance(error, UserError | Damaged) else f"{type(error).__name__}: {first_line(error)}"
