"""Pieces of work on a Ray cluster, by way of Ray Data; its machines share the project's folder."""

import logging
import os
import pickle
import platform
import socket
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from stages.config import CODE, project
from stages.console import console, progress
from stages.engine import P, R, T, Work
from stages.errors import UserError, first_line
from stages.schema import EngineConfig

REACH = 10.0  # seconds
TOKENS = "data/cache/engine"
SEEN, PAUSE = 10.0, 0.5  # seconds
RETRIES = 5  # of a piece, whose process or machine died
FORWARDED = ("DVC_ROOT", "ORT_DISABLE_TELEMETRY")


class Cluster:
    """The machines of a Ray cluster: a piece to each task."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        imported()
        require_answer(config.address)

    def cut(self, items: Sequence[T], each: int) -> list[Sequence[T]]:
        """Return items in pieces of so many."""
        return [items[start : start + each] for start in range(0, len(items), each)]

    def run(self, words: str, work: Work[P, R], pieces: Sequence[P], most: int | None = None) -> Iterator[R]:
        """Yield what comes of every piece, as they come."""
        if not pieces:
            return
        with ExitStack() as stack:
            ray, bar = stack.enter_context(connected(self.config.address)), stack.enter_context(progress())
            shown = bar.add_task(f"{words} on Ray", total=sum(map(len, pieces)))
            rows = [{"number": number, "piece": pickle.dumps(piece)} for number, piece in enumerate(pieces)]
            given = ray.data.from_items(rows, override_num_blocks=len(rows))
            token = stack.enter_context(shared())
            act = partial(task, pickle.dumps(work), self.config.cpus, token)
            tasks = ray.data.TaskPoolStrategy(min(filter(None, (self.config.tasks, most)), default=None))
            with warnings.catch_warnings(action="ignore"):  # Ray tries for ever; from 2.64 on this is said otherwise
                done = given.map(act, num_cpus=self.config.cpus, compute=tasks, max_retries=RETRIES)
            for row in survived(done.iter_rows(), words):
                found = pickle.loads(row["found"])
                if isinstance(found, UserError):
                    raise found
                yield found
                bar.advance(shown, len(pieces[row["number"]]))


def survived(rows: Iterator[dict[str, Any]], words: str) -> Iterator[dict[str, Any]]:
    """Yield rows, or raise a UserError where one and the same piece ended its process time after time."""
    from ray.exceptions import WorkerCrashedError

    try:
        yield from rows
    except WorkerCrashedError as error:
        raise UserError(
            f"engine: {words}: a process died {RETRIES + 1} times at the same piece; is it short of memory "
            "(say a smaller preprocess.shard, or more engine.cpus), or does a picture end it (say engine=local)?"
        ) from error


def task(work: bytes, cpus: int, token: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Do the piece of a row, pickled like what came of it; a user's mistake travels back as that."""
    try:
        require_shared(token)
        found = held(work)(pickle.loads(row["piece"]), cpus, lambda _: None)
    except UserError as error:
        found = error
    return {"number": row["number"], "found": pickle.dumps(found)}


@lru_cache(maxsize=1)
def held(work: bytes) -> Work[Any, Any]:
    """Return the work of a process's pieces: what it opened for one, an archive or a network, serves the next."""
    found: Work[Any, Any] = pickle.loads(work)
    return found


@contextmanager
def shared() -> Iterator[Path]:
    """Yield a file of the project that no copy of it has."""
    token = project() / TOKENS / uuid4().hex
    token.parent.mkdir(parents=True, exist_ok=True)
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def require_shared(token: Path) -> None:
    """Raise a UserError on a machine that does not see the project itself; shared disks may take a while to show it."""
    patience = time.monotonic() + SEEN
    while not token.exists():
        if time.monotonic() > patience:
            raise UserError(
                f"engine.address: the machine {platform.node()} does not see {project_of(token)}, or a copy of it; "
                "all machines of a cluster need the same project under the same path, on a shared disk"
            )
        time.sleep(PAUSE)


def project_of(token: Path) -> Path:
    """Return the project that a token lies in."""
    return token.parents[len(Path(TOKENS).parts)]


def imported() -> Any:
    """Return Ray, which does not report its use."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise UserError("engine: ray is not installed; `make cluster` installs it, or say engine=local") from error
    return ray


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Yield Ray, connected to a cluster or, without an address, to one of this machine's cores for the time being."""
    ray = imported()
    mine = not ray.is_initialized()
    if mine:
        connect(ray, address)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        machines = sum(node["Alive"] for node in ray.nodes())
        console.print(f"Ray: {machines} machines, {ray.cluster_resources().get('CPU', 0):.0f} cores")
        yield ray
    finally:
        if mine:
            ray.shutdown()


def connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or raise a UserError that says how to start one."""
    variables = {name: os.environ[name] for name in FORWARDED if name in os.environ} | {"PYTHONPATH": str(CODE)}
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": {"env_vars": variables}}
    try:
        ray.init(address=address or "local", include_dashboard=None if address else False, **quiet)
    except (ConnectionError, ValueError) as error:
        raise unreachable(address, error) from error


def require_answer(address: str | None) -> None:
    """Raise a UserError where nobody answers at an address; Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition("//")[2].rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=REACH).close()
    except OSError as error:
        raise unreachable(address, error) from error


def unreachable(address: str | None, error: Exception) -> UserError:
    """Return how a cluster is started."""
    return UserError(
        f"engine.address: {address} is not to be reached ({first_line(error)}); "
        "start a cluster (`ray start --head`, `ray up`), or say engine.address=null for one on this machine"
    )
