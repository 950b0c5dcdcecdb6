import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from stages import recorder
from stages.recorder import ALLOWED, Patience, Silent, make, reason, store_uri


def test_a_quick_answer_makes_up_for_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "QUICK", 0.05)
    patience = Patience()
    assert patience.wait(lambda: time.sleep(0.1)) is None
    assert ALLOWED - 1 < patience.left < ALLOWED
    assert patience.wait(lambda: 7) == 7
    assert patience.left == ALLOWED


def test_what_takes_longer_than_is_left_is_given_up() -> None:
    patience = Patience()
    patience.left = 0.1
    never = threading.Event()
    with pytest.raises(Silent, match="too slow"):
        patience.wait(never.wait)
    assert patience.left <= 0
    never.set()


def test_a_quick_failure_makes_up_for_nothing() -> None:
    patience = Patience()
    patience.left = 5
    with pytest.raises(ZeroDivisionError):
        patience.wait(lambda: 1 / 0)
    assert patience.left <= 5


def test_the_reason_is_what_the_database_or_the_network_said() -> None:
    long = RuntimeError("(a long story)\nof many lines")
    long.__cause__ = sqlite3.OperationalError("database is locked")
    assert reason(long) == "database is locked"
    assert reason(ValueError("plain\nmore")) == "plain"


def test_a_database_is_made_beside_and_what_a_killed_maker_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deep" / "mlflow.db"
    file.parent.mkdir()
    (file.parent / "mlflow.db.partial").write_bytes(b"half a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    make()
    assert {one.name for one in file.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    before = file.read_bytes()
    make()
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        make()


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
