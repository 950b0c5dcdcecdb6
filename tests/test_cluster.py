"""The same work on a Ray cluster of two machines, which are processes here, and on this one alone."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster as Machines

from stages.cluster import TOKENS, Cluster, imported
from stages.engine import Advance, Engine, Local, engine
from stages.errors import UserError
from stages.fetch import objects
from stages.fetch.layouts import kaggle
from stages.fetch.objects import Manner, Wanted, spread
from stages.files import write_json
from stages.index.vectors import vectors
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from stages.preprocess.store import Store
from stages.schema import EngineConfig
from tests.conftest import tree
from tests.gallery import colours
from tests.museum import image, museum

pytestmark = pytest.mark.slow
TASK = "ray::Map"


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    imported()
    found = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.add_node(num_cpus=1)
    try:
        yield found
    finally:
        found.shutdown()


@pytest.fixture
def cluster(machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return Cluster(EngineConfig(name="ray", workers=0, address=machines.address, cpus=1, tasks=0))


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def packed(archive: Path, folder: Path, where: Engine) -> Path:
    """Prepare the pictures in shards of at most 16."""
    folder.mkdir()
    config = tree("datasets.kaggle.preprocess.shard=16").datasets["kaggle"].preprocess
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


def test_a_store_is_the_same_wherever_it_is_packed(archive: Path, cluster: Cluster, tmp_path: Path) -> None:
    alone = digests(packed(archive, tmp_path / "alone", Local(1)))
    assert digests(packed(archive, tmp_path / "threads", Local(3))) == alone
    assert digests(packed(archive, tmp_path / "cluster", cluster)) == alone
    assert len(alone) > 10


def test_a_process_that_is_killed_costs_nothing_but_time(archive: Path, cluster: Cluster, tmp_path: Path) -> None:
    alone = digests(packed(archive, tmp_path / "alone", Local()))
    with killing(2) as killed:
        assert digests(packed(archive, tmp_path / "cluster", cluster)) == alone
    assert killed


def test_a_machine_that_goes_is_done_without(machines: Machines, cluster: Cluster) -> None:
    machine = machines.add_node(num_cpus=1)
    pieces = [[number] * 3 for number in range(12)]
    found = []
    for one in cluster.run("slowly", slowly, pieces):
        if not found:
            machines.remove_node(machine, allow_graceful=False)
        found.append(one)
    assert sorted(found) == [3 * number for number in range(12)]


def slowly(piece: list[int], threads: int, advance: Advance) -> int:
    time.sleep(0.3)
    advance(threads)
    return sum(piece)


def test_features_are_the_same_wherever_they_are_computed(
    archive: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.train import features

    monkeypatch.setattr(features, "BATCH", 8)
    monkeypatch.setattr(features, "SHARD_BYTES", 16 * 6 * 4)
    pictures = Store(packed(archive, tmp_path / "store", Local())).everything()
    featuriser = colours(48, tmp_path / "featuriser")
    found = []
    for name, where in {"alone": Local(1), "threads": Local(3), "cluster": cluster}.items():
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / name))
        (tmp_path / name).mkdir()
        rows = vectors(featuriser, pictures, where)
        found.append((digests(tmp_path / name), rows[:].tobytes()))
    assert found[0] == found[1] == found[2]
    assert len(found[0][0]) > 8


def test_one_server_is_not_asked_by_more_at_once_than_is_said(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PIECE", 10)
    with museum() as server:
        server.pause = 0.02
        places = [(f"{server.url}/ok", f"{number}.jpg", tmp_path / f"{number}.jpg") for number in range(40)]
        wanted = [Wanted(bucket, key, target, "here") for bucket, key, target in places]
        found = list(spread(wanted, Manner(8, per_server=2), cluster))
        assert server.busiest <= 2
    assert [outcome.state for outcome in found] == ["fetched"] * 40
    assert all((tmp_path / f"{number}.jpg").read_bytes() == image(number) for number in range(40))


def refuse(piece: list[int], _threads: int, _advance: Advance) -> int:
    raise UserError(f"pieces: {piece} is one too many; leave it out")


def test_a_mistake_is_told_as_it_would_be_here(cluster: Cluster) -> None:
    with pytest.raises(UserError, match=r"pieces: \[3\] is one too many; leave it out"):
        list(cluster.run("refusing", refuse, [[3]]))
    assert not ray.is_initialized()


def test_a_machine_that_does_not_see_the_project_says_so(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.cluster.shared", lambda: nullcontext(tmp_path / "gone" / TOKENS / "token"))
    with pytest.raises(UserError, match=r"engine.address: the machine .* does not see .*gone, or a copy of it; all"):
        list(cluster.run("nothing", slowly, [[1]]))


def die(_piece: list[int], _threads: int, _advance: Advance) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_a_piece_that_ends_its_process_every_time_is_given_up(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.cluster.RETRIES", 1)
    with pytest.raises(UserError, match=r"engine: dying: a process died \d+ times at the same piece"):
        list(cluster.run("dying", die, [[1]]))


def test_a_cluster_that_is_not_there_is_told_at_once(cluster: Cluster) -> None:
    with pytest.raises(UserError, match=r"engine.address: 127.0.0.1:9 is not to be reached .*ray start --head"):
        Cluster(replace(cluster.config, address="127.0.0.1:9"))


def test_without_ray_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"engine: ray is not installed; `make cluster` installs it"):
        engine(EngineConfig(name="ray", workers=0, address=None, cpus=1, tasks=0))
