"""The same work on a Ray cluster of two machines, which are processes here, and on this one alone."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster as Machines

from stages.config.schema import EngineConfig
from stages.core.concurrency import Advance, Executor, LocalExecutor, create_executor
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.ray_executor import TOKEN_DIR, RayExecutor, import_ray
from stages.fetch import objects
from stages.fetch.objects import Manner, Wanted, spread
from stages.index.vectors import vectors
from stages.layouts import kaggle
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from stages.preprocess.store import Store
from tests.conftest import tree
from tests.gallery import colours
from tests.museum import image, museum

pytestmark = pytest.mark.slow
TASK = "ray::Map"


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    import_ray()
    cluster = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def config(address: str | None) -> EngineConfig:
    return EngineConfig(name="ray", workers=0, address=address, cpus=1, tasks=0)


@pytest.fixture
def cluster(machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayExecutor:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return RayExecutor(config(machines.address))


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def packed(archive: Path, folder: Path, where: Executor) -> Path:
    """Prepare the pictures in shards of at most 16."""
    folder.mkdir()
    config = tree("datasets.kaggle.preprocess.shard_size=16").datasets["kaggle"].preprocess
    manifest = pack(kaggle.entries(archive, folder.with_name("nested")), config, folder, where)
    write_json(folder / "report.json", report("kaggle", "synthetic", manifest, config))
    return folder


@contextmanager
def killing(most: int) -> Iterator[list[int]]:
    """Kill processes of the cluster in the midst of their tasks, one after another."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < most and not over.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if TASK in " ".join(process.cmdline()) and process.pid not in killed:
                        process.kill()
                        killed.append(process.pid)
                        over.wait(1)
                        break

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_a_store_is_the_same_wherever_it_is_packed(archive: Path, cluster: RayExecutor, tmp_path: Path) -> None:
    alone = digests(packed(archive, tmp_path / "alone", LocalExecutor(1)))
    assert digests(packed(archive, tmp_path / "threads", LocalExecutor(3))) == alone
    assert digests(packed(archive, tmp_path / "cluster", cluster)) == alone
    assert len(alone) > 10


def test_a_process_that_is_killed_costs_nothing_but_time(archive: Path, cluster: RayExecutor, tmp_path: Path) -> None:
    alone = digests(packed(archive, tmp_path / "alone", LocalExecutor()))
    with killing(2) as killed:
        assert digests(packed(archive, tmp_path / "cluster", cluster)) == alone
    assert killed


def test_a_machine_that_goes_is_done_without(machines: Machines, cluster: RayExecutor) -> None:
    machine = machines.add_node(num_cpus=1)
    chunks = [[number] * 3 for number in range(12)]
    results = []
    for result in cluster.map("slowly", slowly, chunks):
        if not results:
            machines.remove_node(machine, allow_graceful=False)
        results.append(result)
    assert sorted(results) == [3 * number for number in range(12)]


def slowly(chunk: list[int], threads: int, advance: Advance) -> int:
    time.sleep(0.3)
    advance(threads)
    return sum(chunk)


def test_features_are_the_same_wherever_they_are_computed(
    archive: Path, cluster: RayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.train import features

    monkeypatch.setattr(features, "BATCH", 8)
    monkeypatch.setattr(features, "SHARD_BYTES", 16 * 6 * 4)
    pictures = Store(packed(archive, tmp_path / "store", LocalExecutor())).everything()
    featuriser = colours(48, tmp_path / "featuriser")
    outcomes = []
    for name, where in {"alone": LocalExecutor(1), "threads": LocalExecutor(3), "cluster": cluster}.items():
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / name))
        (tmp_path / name).mkdir()
        rows = vectors(featuriser, pictures, where)
        outcomes.append((digests(tmp_path / name), rows[:].tobytes()))
    alone, threads, ray_cluster = outcomes
    assert alone == threads == ray_cluster
    assert len(alone[0]) > 8


def test_one_server_is_not_asked_by_more_at_once_than_is_said(
    cluster: RayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PIECE", 10)
    with museum() as server:
        server.pause = 0.02
        places = [(f"{server.url}/ok", f"{number}.jpg", tmp_path / f"{number}.jpg") for number in range(40)]
        wanted = [Wanted(bucket, key, target, "here") for bucket, key, target in places]
        outcomes = list(spread(wanted, Manner(8, per_server=2), cluster))
        assert server.busiest <= 2
    assert [outcome.state for outcome in outcomes] == ["fetched"] * 40
    assert all((tmp_path / f"{number}.jpg").read_bytes() == image(number) for number in range(40))


def refuse(chunk: list[int], _threads: int, _advance: Advance) -> int:
    raise UserError(f"chunks: {chunk} is one too many; leave it out")


def test_a_mistake_is_told_as_it_would_be_here(cluster: RayExecutor) -> None:
    with pytest.raises(UserError, match=r"chunks: \[3\] is one too many; leave it out"):
        list(cluster.map("refusing", refuse, [[3]]))
    assert not ray.is_initialized()


def test_a_machine_that_does_not_see_the_project_says_so(
    cluster: RayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "stages.core.ray_executor._create_token", lambda: nullcontext(tmp_path / "gone" / TOKEN_DIR / "token")
    )
    with pytest.raises(UserError, match=r"engine.address: the machine .* does not see .*gone, or a copy of it; all"):
        list(cluster.map("nothing", slowly, [[1]]))


def die(_chunk: list[int], _threads: int, _advance: Advance) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_a_chunk_that_ends_its_process_every_time_is_given_up(
    cluster: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.core.ray_executor.MAX_RETRIES", 1)
    with pytest.raises(UserError, match=r"engine: dying: a process died \d+ times at the same chunk"):
        list(cluster.map("dying", die, [[1]]))


def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(UserError, match=r"engine.address: 127.0.0.1:9 is not to be reached .*ray start --head"):
        RayExecutor(config("127.0.0.1:9"))


def test_without_ray_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"engine: ray is not installed; `make cluster` installs it"):
        create_executor(config(None))
