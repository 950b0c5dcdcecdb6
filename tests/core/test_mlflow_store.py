import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from stages.core.errors import UserError
from stages.core.mlflow_store import (
    SQLITE,
    connect,
    create_database,
    describe_store,
    ensure_database,
    explain_failure,
    store_uri,
)
from stages.core.tracking import TrackedRun

Project = Callable[[Path], Path]
LOADER = """
class Model:
    def predict(self, rows):
        return rows


def _load_pyfunc(_):
    return Model()
"""


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    create_database(file)
    return file


@pytest.fixture
def enter_project(empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make a folder the project, with its own store."""

    def enter(root: Path) -> Path:
        root.mkdir(exist_ok=True)
        if not (root / "mlflow.db").exists():
            shutil.copyfile(empty_database, root / "mlflow.db")
        monkeypatch.setenv("DVC_ROOT", str(root))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
        return root

    return enter


def record_file(root: Path, content: str) -> str:
    """Record a run with an artifact; return the run's id."""
    run = TrackedRun()
    run.open("base_cnn", "a run", {})
    (root / "notes.txt").write_text(content)
    run.log_artifact(root / "notes.txt", "texts")
    run.close("FINISHED")
    assert run.id is not None
    assert not run.lost
    return run.id


def read_file(run_id: str) -> str:
    client = connect()
    assert [file.path for file in client.list_artifacts(run_id, "texts")] == ["texts/notes.txt"]
    return Path(client.download_artifacts(run_id, "texts/notes.txt")).read_text()


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(("before", "after"), [("pets", "cats"), ("my pets (1)", "pets/inner"), ("pets", "pets 2")])
def test_a_moved_project_finds_its_artifacts_and_records_where_it_is(
    before: str, after: str, tmp_path: Path, enter_project: Project
) -> None:
    old = enter_project(tmp_path / before)
    first = record_file(old, "first")
    (tmp_path / "moving").mkdir()
    old.rename(tmp_path / "moving" / "project")
    (tmp_path / after).parent.mkdir(exist_ok=True)
    (tmp_path / "moving" / "project").rename(tmp_path / after)

    new = enter_project(tmp_path / after)
    second = record_file(new, "second")
    assert (read_file(first), read_file(second)) == ("first", "second")
    assert old in new.parents or not old.exists()
    assert len(list(new.rglob("texts/notes.txt"))) == 2


def test_a_copy_never_writes_into_the_original(tmp_path: Path, enter_project: Project) -> None:
    original = enter_project(tmp_path / "pets")
    first = record_file(original, "first")
    shutil.copytree(original, tmp_path / "copy")
    before = snapshot(original)

    copy = enter_project(tmp_path / "copy")
    record_file(copy, "second")
    assert read_file(first) == "first"
    assert snapshot(original) == before
    enter_project(original)
    assert read_file(first) == "first"
    assert snapshot(original) == before


def test_a_registered_model_moves_along(tmp_path: Path, enter_project: Project) -> None:
    import mlflow.pyfunc

    root = enter_project(tmp_path / "pets")
    (root / "loader.py").write_text(LOADER)
    run = TrackedRun()
    run.open("base_cnn", "a run", {})
    with mlflow.start_run(run_id=run.id):
        logged = mlflow.pyfunc.log_model(
            name="model", registered_model_name="base_cnn", loader_module="loader",
            code_paths=[str(root / "loader.py")], pip_requirements=[],
        )  # fmt: skip
    run.close("FINISHED")
    root.rename(tmp_path / "cats")
    enter_project(tmp_path / "cats")
    connect()
    for uri in ("models:/base_cnn/1", f"models:/{logged.model_id}"):
        assert mlflow.pyfunc.load_model(uri).predict([1]) == [1]


def test_the_default_experiment_moves_along(tmp_path: Path, enter_project: Project) -> None:
    root = enter_project(tmp_path / "pets")
    connect()
    root.rename(tmp_path / "cats")
    enter_project(tmp_path / "cats")
    assert connect().get_experiment("0").artifact_location == str(tmp_path / "cats/mlruns/0")


def test_processes_that_open_a_moved_project_at_once_agree(tmp_path: Path, enter_project: Project) -> None:
    root = enter_project(tmp_path / "pets")
    record_file(root, "first")
    root.rename(tmp_path / "cats")
    enter_project(tmp_path / "cats")
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(ensure_database) for _ in range(8)]:
            future.result()
    assert (
        connect().get_experiment_by_name("base_cnn").artifact_location
        == (tmp_path / "cats/mlartifacts/base_cnn").as_uri()
    )


@pytest.mark.parametrize("name", ["pets", "my pets (1) é"])
def test_a_project_that_stays_writes_nothing(name: str, tmp_path: Path, enter_project: Project) -> None:
    (tmp_path / "origin").mkdir()
    enter_project(tmp_path / "origin")
    connect()
    (tmp_path / "origin").rename(tmp_path / name)
    root = enter_project(tmp_path / name)
    record_file(root, "first")
    before = (root / "mlflow.db").stat().st_mtime_ns
    ensure_database()
    assert (root / "mlflow.db").stat().st_mtime_ns == before


def test_another_store_and_other_folders_stay_as_they_are(
    tmp_path: Path, enter_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = enter_project(tmp_path / "pets")
    record_file(root, "first")
    elsewhere = (tmp_path / "disk" / "base_cnn").as_uri()
    connect().create_experiment("elsewhere", elsewhere)
    shared = shutil.copyfile(root / "mlflow.db", tmp_path / "shared.db")
    root.rename(tmp_path / "cats")
    enter_project(tmp_path / "cats")
    assert connect().get_experiment_by_name("elsewhere").artifact_location == elsewhere
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{SQLITE}{shared}")
    before = shared.read_bytes()
    ensure_database()
    assert shared.read_bytes() == before


def test_the_own_store_is_known_by_its_file_however_it_is_addressed(
    tmp_path: Path, enter_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = enter_project(tmp_path / "pets")
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    run_id = record_file(root, "first")
    assert connect().get_run(run_id).info.artifact_uri.startswith((root / "mlartifacts").as_uri())


@pytest.mark.parametrize("folder", ["./mlruns", "file:///{}/mlruns", "{}"])
def test_a_folder_of_files_is_refused_with_reason_and_remedy(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", folder.format(tmp_path))
    with pytest.raises(UserError) as refused:
        connect()
    assert describe_store() == f"MLFLOW_TRACKING_URI={folder.format(tmp_path)}"
    message = explain_failure(refused.value)
    assert "mlflow migrate-filestore" in message
    assert "set `MLFLOW_ALLOW_FILE_STORE=true`" in message
    assert message.endswith("; or unset MLFLOW_TRACKING_URI to use mlflow.db")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert isinstance(connect(), MlflowClient)


@pytest.mark.parametrize("address", ["localhost:5000", "ftp://host/runs"])
def test_an_address_of_no_store_is_refused_with_reason_and_remedy(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=rf"unsupported URI '{address}'.*'sqlite'.*; or unset MLFLOW_TRACKING_URI"):
        connect()


def test_the_reason_is_what_the_database_or_the_network_said() -> None:
    long = RuntimeError("(a long story)\nof many lines")
    long.__cause__ = sqlite3.OperationalError("database is locked")
    assert explain_failure(long) == "database is locked"
    assert explain_failure(ValueError("plain\nmore")) == "plain"


def test_a_database_is_created_whole_whatever_a_killed_process_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deep" / "mlflow.db"
    file.parent.mkdir()
    (file.parent / ".mlflow.db.partial").write_bytes(b"half a database")
    (file.parent / ".mlflow.db.partial-journal").write_bytes(b"half a journal")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{SQLITE}{file}")
    ensure_database()
    assert [one.name for one in file.parent.iterdir()] == ["mlflow.db"]
    before = file.read_bytes()
    ensure_database()
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{SQLITE}{tmp_path / 'mlflow.db'}")
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        ensure_database()


def test_an_empty_file_becomes_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    (tmp_path / "mlflow.db").touch()
    connect()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM experiments").fetchone() == (1,)


def test_a_login_in_the_address_goes_where_mlflow_prints_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:p%40ss@host:5000/mlflow")
    assert store_uri() == store_uri() == os.environ["MLFLOW_TRACKING_URI"] == "https://host:5000/mlflow"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("me", "p@ss")


@pytest.mark.parametrize("uri", ["http://host:5000", "sqlite:////tmp/a@b/mlflow.db", "postgresql://me:pass@host/db"])
def test_an_address_without_one_stays(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store_uri() == uri
