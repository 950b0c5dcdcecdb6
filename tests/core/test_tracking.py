import importlib.util
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from stages.core.console import console
from stages.core.context import StageContext
from stages.core.mlflow_store import connect, create_database
from stages.core.tracking import (
    MAX_FAILURES,
    PARENT,
    TrackedRun,
    continue_run,
    find_run,
    flatten,
    name_run,
    track_training,
)
from stages.core.workspace import Workspace

GONE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    create_database(file)
    return file


@pytest.fixture
def project(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store of its own."""
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    for name in ("MLFLOW_RUN_ID", PARENT):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def job(project: Path, stage: str = "train", overrides: tuple[str, ...] = ()) -> StageContext:
    tree: Any = None
    return StageContext(stage, tree, "base_cnn", Workspace(project, project), overrides)


def fetch_runs() -> list[Run]:
    client = connect()
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


def test_a_run_holds_what_it_was_given(project: Path) -> None:
    (project / "curves.png").write_bytes(b"curves")
    with track_training(job(project), project, {"config": "abc"}, {"models.base_cnn.train.lr": 0.1}) as run:
        for epoch in range(3):
            run.log_epoch({"epoch": epoch, "val_loss": 1 / (epoch + 1)})
        run.log_metrics({"train_seconds": 2.5})
        run.set_tag("weights", "sha")
        run.log_artifact(project / "curves.png")
    (recorded,) = fetch_runs()
    assert recorded.info.run_name == "base_cnn"
    assert recorded.info.status == "FINISHED"
    assert recorded.data.params == {"models.base_cnn.train.lr": "0.1"}
    assert recorded.data.metrics == {"val_loss": pytest.approx(1 / 3), "train_seconds": 2.5}
    assert {"config": "abc", "weights": "sha", "dvc_stage": "train@base_cnn"}.items() <= recorded.data.tags.items()
    history = connect().get_metric_history(recorded.info.run_id, "val_loss")
    assert [metric.step for metric in history] == [0, 1, 2]
    assert [file.path for file in connect().list_artifacts(recorded.info.run_id)] == ["curves.png"]
    kind = connect().get_experiment_by_name("base_cnn").tags["mlflow.experimentKind"]
    assert kind == "custom_model_development", "the UI opens at the experiment's runs"


def test_a_run_that_raises_has_failed(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), track_training(job(project), project, {}, {}):
        raise ZeroDivisionError
    assert [run.info.status for run in fetch_runs()] == ["FAILED"]


def test_a_killed_training_continues_its_run_and_later_stages_join_it(project: Path) -> None:
    with track_training(job(project), project, {}, {}) as run:
        first = run.id
    with track_training(job(project), project, {"again": "yes"}, {}) as run:
        run.set_tag("weights", "sha")
        assert run.id == first
        assert connect().get_run(first).info.status == "RUNNING"
    with continue_run(job(project, "evaluate"), "sha") as run:
        assert run.id == first
    assert find_run("base_cnn", "sha").info.run_id == first
    assert find_run("base_cnn", "others") is None
    assert find_run("vgg19", "sha") is None
    assert [run.data.tags["again"] for run in fetch_runs()] == ["yes"]


def test_a_run_of_mlflow_run_is_continued(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect()
    opened = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    with track_training(job(project), project, {}, {}) as run:
        assert run.id == opened
        with track_training(job(project), project / "candidate", {}, {}, "lr=1", parent=run.id) as nested:
            assert nested.id != opened
    monkeypatch.setenv(PARENT, "sweep")
    with continue_run(job(project, "evaluate"), "sha") as run:
        assert run.id != opened


@pytest.mark.parametrize("stale", [GONE, "no id at all"])
def test_a_stale_run_id_is_named_and_does_not_stop_recording(
    stale: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", stale)
    with console.capture() as output, track_training(job(project), project, {}, {}) as run:
        run.set_tag("weights", "sha")
    assert output.get().startswith(f"MLFLOW_RUN_ID={stale}: no such run in sqlite:///{project}/mlflow.db; ")
    assert output.get().count("\n") == 1
    with console.capture(), continue_run(job(project, "evaluate"), "sha") as later:
        assert later.id == run.id
    assert not run.lost
    assert len(fetch_runs()) == 1


def test_a_deleted_run_is_not_continued(project: Path) -> None:
    with track_training(job(project), project, {}, {}) as run:
        pass
    connect().delete_run(run.id)
    with track_training(job(project), project, {}, {}) as again:
        assert again.id != run.id
    assert not again.lost


@pytest.mark.usefixtures("project")
def test_a_dataset_is_an_input_of_the_run() -> None:
    run = TrackedRun()
    run.open("base_cnn", "run", {})
    run.log_dataset("pets", "d1", "/data/pets.zip", "training")
    run.log_dataset("pets/test", "d1", "https://me:secret@host/pets.zip?sig=1", "testing")
    run.log_dataset("art", "d2", "s3://bucket/art.csv", "training")
    run.close("FINISHED")
    (recorded,) = fetch_runs()
    inputs = {one.dataset.name: one for one in recorded.inputs.dataset_inputs}
    assert {name: one.dataset.digest for name, one in inputs.items()} == {"pets": "d1", "pets/test": "d1", "art": "d2"}
    assert {name: (one.dataset.source_type, json.loads(one.dataset.source)) for name, one in inputs.items()} == {
        "pets": ("local", {"uri": "/data/pets.zip"}),
        "pets/test": ("http", {"url": "https://host/pets.zip"}),
        "art": ("s3", {"uri": "s3://bucket/art.csv"}),
    }
    tags = {name: [(tag.key, tag.value) for tag in one.tags] for name, one in inputs.items()}
    assert tags["pets"] == [("mlflow.data.context", "training")]
    assert tags["pets/test"] == [("mlflow.data.context", "testing")]


@pytest.mark.parametrize(
    ("overrides", "values", "name"),
    [
        ((), "", "base_cnn"),
        ((), "lr=0.001 dropout=0.2", "base_cnn lr=0.001 dropout=0.2"),
        (("model=base_cnn", "models.base_cnn.train.lr=0.001", "seed=7"), "", "base_cnn lr=0.001 seed=7"),
        (("++models.base_cnn.train.optimizer.name=sgd",), "", "base_cnn optimizer.name=sgd"),
        (("models.base_cnn.dataset=folder", "from=runs/2026-01-01/10-00-00-train"), "", "base_cnn dataset=folder"),
        (("seed=7",), "lr=0.1", "base_cnn lr=0.1"),
    ],
)
def test_a_run_is_named_by_model_and_what_differs(
    overrides: tuple[str, ...], values: str, name: str, tmp_path: Path
) -> None:
    assert name_run(job(tmp_path, overrides=overrides), values) == name


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    overrides = tuple(f"models.base_cnn.train.value{number}=0.123456" for number in range(9))
    name = name_run(job(tmp_path, overrides=overrides))
    assert len(name) <= 80
    assert name.startswith("base_cnn value0=0.123456 value1=0.123456")
    assert name.endswith(" …")


def test_flat_names_are_those_of_overrides() -> None:
    assert flatten({"a": {"b": 1, "c": [2]}, "d": None}, "models.x") == {
        "models.x.a.b": 1, "models.x.a.c": [2], "models.x.d": None,
    }  # fmt: skip


class Client:
    """A store that answers as slowly as it is told, or not at all."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.batches: list[list[int]] = []
        self.down = False
        self.calls = 0

    def log_batch(self, _: str, metrics: list[Any]) -> None:
        self.calls += 1
        self.clock[0] += self.seconds
        if self.down:
            raise sqlite3.OperationalError("database is locked")
        self.batches.append([metric.step for metric in metrics])

    def set_terminated(self, *_: str) -> None:
        self.calls += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def train(client: Client, clock: list[float], epochs: int, seconds: float) -> TrackedRun:
    run = TrackedRun()
    run.client, run.id = client, "id"
    for epoch in range(epochs):
        clock[0] += seconds
        run.log_epoch({"epoch": epoch, "val_loss": 1.0})
    return run


def test_a_quick_store_gets_every_epoch_at_once(clock: list[float]) -> None:
    client = Client(clock, 0.1)
    train(client, clock, 5, 1)
    assert client.batches == [[0], [1], [2], [3], [4]]


def test_a_slow_store_gets_epochs_together_and_every_one(clock: list[float]) -> None:
    client = Client(clock, 5)
    run = train(client, clock, 2000, 1)
    assert clock[0] - 1000 < 2000 * 1.02
    run.close("FINISHED")
    assert len(client.batches) < 8
    assert [step for batch in client.batches for step in batch] == list(range(2000))
    assert not run.lost


def test_a_store_that_fails_is_not_asked_again_and_every_loss_is_listed(clock: list[float]) -> None:
    client = Client(clock, 20)
    client.down = True
    run = TrackedRun()
    run.client, run.id = client, "id"
    with console.capture() as output:
        for epoch in range(9):
            clock[0] += 3000
            run.log_epoch({"epoch": epoch, "val_loss": 1.0})
        run.set_tag("weights", "sha")
        run.close("FINISHED")
    assert client.calls == MAX_FAILURES
    assert output.get().count("does not record") == 1
    assert "database is locked; going on" in output.get()
    listed = ", ".join([*(f"metrics of step {epoch}" for epoch in range(9)), "tag weights", "the end of the run"])
    assert output.get().splitlines()[-1] == f"not recorded in MLflow: {listed}"


def test_one_failure_is_forgiven(clock: list[float]) -> None:
    client = Client(clock, 0)
    run = train(client, clock, 1, 1)
    for down in (True, False, True, False):
        client.down = down
        with console.capture():
            run.log_epoch({"epoch": client.calls, "val_loss": 1.0})
    assert run.lost == ["metrics of step 1", "metrics of step 3"]
    assert client.batches == [[0], [2], [4]]


def test_epochs_that_were_lost_together_are_listed_as_one(clock: list[float]) -> None:
    client = Client(clock, 5)
    run = train(client, clock, 4, 1)
    client.down = True
    with console.capture() as output:
        run.close("FINISHED")
    assert run.lost == ["metrics of steps 1 to 3"]
    assert "not recorded in MLflow: metrics of steps 1 to 3" in output.get()


@pytest.mark.usefixtures("project")
def test_system_metrics_are_sampled_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    run = TrackedRun()
    run.open("base_cnn", "run", {})
    run.start_system_metrics()
    time.sleep(1)
    run.close("FINISHED")
    (recorded,) = fetch_runs()
    assert "system/cpu_utilization_percentage" in recorded.data.metrics
    assert not run.lost


@pytest.mark.usefixtures("project")
def test_system_metrics_need_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr("stages.core.tracking.find_spec", lambda name: None if name == "psutil" else find(name))
    run = TrackedRun()
    run.open("base_cnn", "run", {})
    with console.capture() as output:
        run.start_system_metrics()
        run.close("FINISHED")
    assert output.get() == "trainer.system_metrics: not recorded; they need psutil: pip install psutil\n"
    assert not run.lost
