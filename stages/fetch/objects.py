"""Many objects, fetched at once: bounded, each in one piece beside its place and renamed, none twice."""

import os
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stages.console import progress
from stages.errors import UserError, first_line
from stages.fetch.download import public
from stages.fetch.stores import Store, open_store, split
from stages.parallel import ordered

WAIT = 0.1
LONGEST = 5.0
AHEAD = 4


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
        return public(f"{scheme}://{name}/{self.key}")


def fetch_all(wanted: Sequence[Wanted], workers: int) -> Counter[str]:
    """Fetch objects by `workers` threads, which share their connections; return how many came and how many were there.

    An object that is missing or forbidden ends it at once with a UserError naming bucket and key.
    """
    stores = {scheme: open_store(scheme, workers) for scheme in {split(item.bucket)[0] for item in wanted}}
    for folder in {item.target.parent for item in wanted}:
        folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    found: Counter[str] = Counter()
    with ThreadPoolExecutor(workers) as pool, progress() as bar:
        task = bar.add_task("fetching", total=len(wanted))
        try:
            for state in ordered(pool, partial(fetch, stores, stop), wanted, AHEAD * workers):
                found[state] += 1
                bar.advance(task)
        finally:
            stop.set()
    return found


def fetch(stores: dict[str, Store], stop: threading.Event, item: Wanted) -> str:
    """Fetch one object, again where that may help; return "fetched" or "there"."""
    scheme, bucket = split(item.bucket)
    store, have = stores[scheme], item.target if item.target.exists() else None
    for attempt in range(1, store.attempts + 1):
        try:
            content = store.get(bucket, item.key, have)
            break
        except (FileNotFoundError, PermissionError, UserError) as error:
            raise refused(item, error) from error
        except Exception as error:  # every store's client has errors of its own
            if attempt == store.attempts:
                raise refused(item, error, f"gave up after {attempt} attempts; run again to go on: ") from error
            stop.wait(min(LONGEST, WAIT * 2**attempt) * random.uniform(0.5, 1))
        if stop.is_set():
            return "stopped"
    if content is None:
        return "there"
    scratch = item.target.with_name(f".{item.target.name}.partial")
    with scratch.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    scratch.replace(item.target)
    return "fetched"


def refused(item: Wanted, error: Exception, head: str = "") -> UserError:
    """Say which object did not come, and why."""
    name = split(item.bucket)[1].rpartition("@")[2]
    return UserError(f"{item.address}: {head}{reason(error)} (bucket {name}, key {item.key}, {item.where})")


def reason(error: Exception) -> str:
    """Say what a store's error means."""
    if isinstance(error, FileNotFoundError):
        return "not found"
    if isinstance(error, PermissionError):
        return f"not allowed ({first_line(error)}); are your credentials in the environment?"
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {first_line(error)}"
