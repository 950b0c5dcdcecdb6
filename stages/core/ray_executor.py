"""Chunks of work on a Ray cluster, through Ray Data. All its machines share the project's folder."""

import logging
import os
import pickle
import platform
import socket
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stages.core.concurrency import C, R, T, Work
from stages.core.console import console, create_progress
from stages.core.errors import UserError, first_line
from stages.core.workspace import CODE_ROOT, project_root

if TYPE_CHECKING:
    from stages.config.schema import EngineConfig

CONNECT_TIMEOUT = 10.0  # seconds
SHARED_DISK_TIMEOUT = 10.0  # seconds; a network file system shows a new file late
POLL_INTERVAL = 0.5
MAX_RETRIES = 5  # of a chunk whose process or machine died
TOKEN_DIR = "data/cache/engine"
FORWARDED_VARIABLES = ("DVC_ROOT", "ORT_DISABLE_TELEMETRY")


class RayExecutor:
    """A Ray cluster, with a task for each chunk.

    Raises:
        UserError: Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, config: "EngineConfig") -> None:
        self._config = config
        import_ray()
        _check_reachable(config.address)

    def split(self, items: Sequence[T], chunk_size: int) -> list[Sequence[T]]:
        """Splits items into chunks of `chunk_size`."""
        return [items[start : start + chunk_size] for start in range(0, len(items), chunk_size)]

    def map(self, description: str, work: Work[C, R], chunks: Sequence[C], limit: int | None = None) -> Iterator[R]:
        """Runs work on every chunk and yields the results as they come; see `Executor`."""
        if not chunks:
            return
        cpus, tasks = self._config.cpus, min(filter(None, (self._config.tasks, limit)), default=None)
        rows = [{"number": number, "chunk": pickle.dumps(chunk)} for number, chunk in enumerate(chunks)]
        with _connect(self._config.address) as ray, create_progress() as bar, _create_token() as token:
            task = bar.add_task(f"{description} on Ray", total=sum(map(len, chunks)))
            run = partial(_run_chunk, pickle.dumps(work), cpus, token)
            # Unless max_retries is set, Ray retries for ever. To set it here is deprecated, but the only way.
            with warnings.catch_warnings(action="ignore"):
                dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                    run, num_cpus=cpus, compute=ray.data.TaskPoolStrategy(tasks), max_retries=MAX_RETRIES
                )
            for row in _translate_crashes(dataset.iter_rows(), description):
                result = pickle.loads(row["result"])
                if isinstance(result, UserError):
                    raise result
                yield result
                bar.advance(task, len(chunks[row["number"]]))


def import_ray() -> Any:
    """Imports Ray, with its usage reports switched off.

    Raises:
        UserError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise UserError("engine: ray is not installed; `make cluster` installs it, or set engine=local") from error
    return ray


def _run_chunk(work: bytes, cpus: int, token: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Runs on a worker. A UserError is a result there: Ray would wrap one that is raised."""
    try:
        _check_shared_disk(token)
        result = _unpickle_work(work)(pickle.loads(row["chunk"]), cpus, lambda _: None)
    except UserError as error:
        result = error
    return {"number": row["number"], "result": pickle.dumps(result)}


@lru_cache(maxsize=1)  # a worker's chunks share what the work opens: an archive, a network
def _unpickle_work(work: bytes) -> Work[Any, Any]:
    unpickled: Work[Any, Any] = pickle.loads(work)
    return unpickled


def _translate_crashes(rows: Iterator[dict[str, Any]], description: str) -> Iterator[dict[str, Any]]:
    from ray.exceptions import WorkerCrashedError

    try:
        yield from rows
    except WorkerCrashedError as error:
        raise UserError(
            f"engine: {description}: a process died {MAX_RETRIES + 1} times at the same chunk; if it is short of "
            "memory, set a smaller preprocess.shard_size or more engine.cpus; if an image ends it, set engine=local"
        ) from error


@contextmanager
def _create_token() -> Iterator[Path]:
    """Yields a new file of the project, by which workers tell the project itself from a copy."""
    token = project_root() / TOKEN_DIR / uuid4().hex
    token.parent.mkdir(parents=True, exist_ok=True)
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def _check_shared_disk(token: Path) -> None:
    deadline = time.monotonic() + SHARED_DISK_TIMEOUT
    while not token.exists():
        if time.monotonic() > deadline:
            project = token.parents[len(Path(TOKEN_DIR).parts)]
            raise UserError(
                f"engine.address: the machine {platform.node()} does not see {project}, or a copy of it; "
                "all machines of a cluster need the same project under the same path, on a shared disk"
            )
        time.sleep(POLL_INTERVAL)


@contextmanager
def _connect(address: str | None) -> Iterator[Any]:
    """Yields Ray, connected to a cluster or, without an address, to a temporary one on this machine."""
    ray = import_ray()
    connected_here = not ray.is_initialized()
    if connected_here:
        _init_ray(ray, address)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        machines = sum(node["Alive"] for node in ray.nodes())
        console.print(f"Ray: {machines} machines, {ray.cluster_resources().get('CPU', 0):.0f} cores")
        yield ray
    finally:
        if connected_here:
            ray.shutdown()


def _init_ray(ray: Any, address: str | None) -> None:
    variables = {name: os.environ[name] for name in FORWARDED_VARIABLES if name in os.environ}
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": variables | {"PYTHONPATH": str(CODE_ROOT)}},
        )
    except (ConnectionError, ValueError) as error:
        raise _unreachable_error(address, error) from error


def _check_reachable(address: str | None) -> None:
    """Checks that something listens at the address: Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition("//")[2].rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        raise _unreachable_error(address, error) from error


def _unreachable_error(address: str | None, error: Exception) -> UserError:
    return UserError(
        f"engine.address: {address} is not to be reached ({first_line(error)}); "
        "start a cluster (`ray start --head`, `ray up`), or set engine.address=null for one on this machine"
    )
