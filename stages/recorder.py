"""MLflow's store: where it is, made by one process at a time, and asked for as long as one can do without it."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from filelock import FileLock

from stages.config import project
from stages.errors import first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALLOWED = 30.0  # seconds that a process waits in all for a store that is slow
QUICK = 1.0  # seconds; an answer within them makes up for slow ones before
LOCKED = 10.0  # seconds that another process may hold a database before it counts as locked
MAKING = 120.0  # seconds that another process may take to make the database
SQLITE = "sqlite:///"


class Silent(Exception):
    """A store that did not answer within the time allowed."""


class Patience:
    """The time that a process has left for a slow store; threads that it gave up on end with the process."""

    def __init__(self) -> None:
        self.left = ALLOWED

    def wait(self, action: Callable[[], Any]) -> Any:
        """Return what an action returns, or raise what it raises, or Silent where it takes longer than is left."""
        found: dict[str, Any] = {}
        begun = time.monotonic()
        thread = threading.Thread(target=caught, args=(action, found), daemon=True)
        thread.start()
        thread.join(max(0.0, self.left))
        took = time.monotonic() - begun
        self.left = ALLOWED if took < QUICK and "value" in found else self.left - took
        if not found:
            raise Silent(f"too slow; {ALLOWED:.0f} s were spent waiting for it")
        if "error" in found:
            raise found["error"]
        return found["value"]


def caught(action: Callable[[], Any], found: dict[str, Any]) -> None:
    """Put what an action returns or raises into a dictionary."""
    try:
        found["value"] = action()
    except Exception as error:  # raised again by who waits
        found["error"] = error


def reason(error: BaseException) -> str:
    """Return why a store failed, in a line: what its database or the network said, where that led to the error."""
    inner = error
    while following := inner.__cause__ or inner.__context__:
        inner = following
    return first_line(inner if isinstance(inner, sqlite3.Error | OSError) else error)


def store_uri() -> str:
    """Return where runs are recorded: MLFLOW_TRACKING_URI, else a database in the project."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or own_store()
    return signed_in(uri) if uri.startswith(("http://", "https://")) else uri


def signed_in(uri: str) -> str:
    """Return a server's address without the login in it, which goes where MLflow looks too: it prints addresses."""
    parts = urlsplit(uri)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return uri
    user, _, password = login.partition(":")
    bare = urlunsplit(parts._replace(netloc=host))
    os.environ |= {
        "MLFLOW_TRACKING_USERNAME": unquote(user), "MLFLOW_TRACKING_PASSWORD": unquote(password),
        "MLFLOW_TRACKING_URI": bare,
    }  # fmt: skip
    return bare


def own_store() -> str:
    """Return the project's own database, whose artifacts lie beside it."""
    return f"{SQLITE}{project() / 'mlflow.db'}"


def client() -> "MlflowClient":
    """Return a client of a store that is there."""
    make()
    mlflow, uri = imported(), store_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    found: MlflowClient = mlflow.MlflowClient(uri)
    return found


def imported() -> Any:
    """Return MLflow, told to give up on a server that is down after seconds, not minutes, and to say things once."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints a traceback for what it raises
    import mlflow

    return mlflow


def make() -> None:
    """Make the database where there is none yet, and raise where it cannot be read; other stores make themselves.

    Processes that make it at once would undo each other's work, and one that is killed would leave it half made:
    so one does it, beside, and the others wait. MLflow itself would try a broken or locked one for minutes.
    """
    uri = store_uri()
    if not uri.startswith(SQLITE):
        return
    file = Path(uri.removeprefix(SQLITE)).absolute()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f"{file.name}.lock"), timeout=MAKING):
            if not file.exists():
                build(file)
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=LOCKED)) as database:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()


def build(file: Path) -> None:
    """Write an empty database with MLflow's tables beside its place, and rename it into that."""
    partial = file.with_name(f"{file.name}.partial")
    remains = (partial, partial.with_name(f"{partial.name}-journal"))
    for remaining in remains:
        remaining.unlink(missing_ok=True)
    try:
        imported().MlflowClient(f"{SQLITE}{partial}", f"{SQLITE}{partial}")
        partial.replace(file)
    finally:
        for remaining in remains:
            remaining.unlink(missing_ok=True)
