"""MLflow stores in trouble: servers that are down, mute, broken or slow, databases that are full, locked or damaged."""

import json
import os
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stages.core.mlflow_store import SQLITE, ensure_database

SLOW = 5.0  # seconds for each answer
ID = "0123456789abcdef0123456789abcdef"
INFO = {"run_id": ID, "experiment_id": "1", "status": "RUNNING", "artifact_uri": "mlflow-artifacts:/1/artifacts"}
RUN = {"run": {"info": INFO}}
EXPERIMENT = {"experiment": {"experiment_id": "1", "name": "x", "lifecycle_stage": "active"}, "experiment_id": "1"}

Middle = Callable[[], None]
Store = Iterator[tuple[str, Middle]]
"""The address of a store, and what happens in the middle of a training."""
Trouble = Callable[[Path], AbstractContextManager[tuple[str, Middle]]]


class NoMount(Exception):
    """This process may not mount a small disk."""


@contextmanager
def environment(**changes: str) -> Iterator[None]:
    """Set variables of this process' environment for a while."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def nothing() -> None:
    """Let a training run on."""


@contextmanager
def server(answer: Callable[[str], bytes], delay: float = 0.0, status: int = 200) -> Iterator[ThreadingHTTPServer]:
    """Serve answers to paths, each after a delay in seconds."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(delay)
            body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield found
    finally:
        found.shutdown()
        found.server_close()


def spoken(path: str) -> bytes:
    """Answer as much of MLflow's protocol as a training needs."""
    return json.dumps(RUN if "/runs/" in path else EXPERIMENT if "/experiments/" in path else {}).encode()


def address(found: ThreadingHTTPServer) -> str:
    """Return a server's URL."""
    return f"http://127.0.0.1:{found.server_address[1]}"


@contextmanager
def refused(_: Path) -> Store:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield f"http://127.0.0.1:{port}", nothing


@contextmanager
def mute(_: Path) -> Store:
    """Connections are made, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as hole:
        yield f"http://127.0.0.1:{hole.getsockname()[1]}", nothing


@contextmanager
def failing(_: Path) -> Store:
    """Every answer is an error 500."""
    with server(lambda _: b"Internal Server Error", status=500) as found:
        yield address(found), nothing


@contextmanager
def garbage(_: Path) -> Store:
    """Every answer is 200, and none is MLflow's."""
    with server(lambda _: b"<html>log in</html>") as found:
        yield address(found), nothing


@contextmanager
def slow(_: Path) -> Store:
    """Every answer is right, and takes its time."""
    with server(spoken, SLOW) as found:
        yield address(found), nothing


@contextmanager
def dying(_: Path) -> Store:
    """The server ends in the middle."""
    with server(spoken) as found:

        def end() -> None:
            found.shutdown()
            found.server_close()

        yield address(found), end


def database(file: Path) -> str:
    """Make a store in a file; return its address."""
    uri = f"{SQLITE}{file}"
    with environment(MLFLOW_TRACKING_URI=uri):
        ensure_database()
    return uri


def small_disk(folder: Path, size: str) -> AbstractContextManager[Path]:
    """Mount a small disk, or raise NoMount."""
    return mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "none")


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[Path]:
    """Mount something at a new folder, or raise NoMount."""
    folder.mkdir()
    done = subprocess.run(["mount", *words, str(folder)], capture_output=True)
    if done.returncode:
        raise NoMount(done.stderr.decode().strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full_at_once(home: Path) -> Store:
    """The disk is too small for the database."""
    with small_disk(home / "disk", "256k") as disk:
        yield f"{SQLITE}{disk / 'mlflow.db'}", nothing


@contextmanager
def full_later(home: Path) -> Store:
    """The disk fills in the middle."""
    with small_disk(home / "disk", "8m") as disk:

        def fill() -> None:
            with (disk / "rest").open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    return

        yield database(disk / "mlflow.db"), fill


@contextmanager
def read_only(home: Path) -> Store:
    """The disk is read-only."""
    with small_disk(home / "disk", "8m") as disk:
        database(disk / "mlflow.db")
        with mounted(home / "same", "--bind", str(disk)) as same:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(same)], check=True)
            yield f"{SQLITE}{same / 'mlflow.db'}", nothing


@contextmanager
def locked(home: Path) -> Store:
    """Another program holds the database all the time."""
    uri = database(home / "mlflow.db")
    with closing(sqlite3.connect(home / "mlflow.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield uri, nothing


@contextmanager
def locked_later(home: Path) -> Store:
    """Another program takes hold of the database in the middle."""
    uri = database(home / "mlflow.db")
    with closing(sqlite3.connect(home / "mlflow.db", isolation_level=None)) as holder:

        def hold() -> None:
            holder.execute("BEGIN EXCLUSIVE")

        yield uri, hold


@contextmanager
def damaged(home: Path) -> Store:
    """The file is no database."""
    (home / "mlflow.db").write_bytes(b"not a database\n" * 1000)
    yield f"{SQLITE}{home / 'mlflow.db'}", nothing


@contextmanager
def torn(home: Path) -> Store:
    """The database lost its second half."""
    uri = database(home / "mlflow.db")
    content = (home / "mlflow.db").read_bytes()
    (home / "mlflow.db").write_bytes(content[: len(content) // 2])
    yield uri, nothing


@contextmanager
def newer(home: Path) -> Store:
    """A newer MLflow wrote the database."""
    uri = database(home / "mlflow.db")
    with closing(sqlite3.connect(home / "mlflow.db")) as own, own:
        own.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    yield uri, nothing


TROUBLES = (
    refused, mute, failing, garbage, slow, dying, full_at_once, full_later, read_only, locked, locked_later,
    damaged, torn, newer,
)  # fmt: skip
