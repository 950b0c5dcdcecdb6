import json
import os
import socket
import sqlite3
import sys
from pathlib import Path

import pytest

from stages.doctor import chosen, main
from stages.probes import frameworks, machine, programs, storage
from stages.probes.finding import Finding
from tests.conftest import python


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty project."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def test_a_lack_is_told_from_what_is_missing() -> None:
    assert Finding("x", "y", needed=True).state == "ok"
    assert Finding("x", "y", "slow").state == "lacks"
    assert Finding("x", "y", "nothing runs", needed=True).state == "missing"


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("", None)])
def test_a_containers_limit_on_cores(text: str, cores: float | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert machine.quota(tmp_path / "cpu.max") == cores
    assert machine.quota(tmp_path / "none") is None


def test_a_containers_limits_cost_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "cores", lambda: 8)
    (tmp_path / "cpu.max").write_text("150000 100000")
    (tmp_path / "memory.max").write_text(str(2**31))
    (cores,), (memory,) = machine.processor(), machine.memory()
    assert "a container's limit" in cores.found
    assert cores.mend.startswith("say trainer.threads=1")
    assert (memory.found, memory.state) == ("2.0 GB (a container's limit)", "lacks")


def test_memory_without_a_word_from_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "none")
    assert machine.memory()[0].found == "unknown here"


def test_a_small_disk_lacks_and_a_full_one_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((20 * 2**30, "ok"), (5 * 2**30, "lacks"), (2**20, "missing")):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, free=free: type("", (), {"free": free}))
        assert machine.room("data/", tmp_path / "not" / "yet", machine.DISK).state == state


def test_bytecode_that_is_not_kept_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "unset PYTHONDONTWRITEBYTECODE" in machine.bytecode()[0].mend
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
    assert machine.bytecode()[0].state == "ok"


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(machine, "PORTS", {port: "bentoml serve"})
        assert machine.ports()[0].found == f"taken: {port} (bentoml serve)"
    assert machine.free(port)


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "NAMES", ("127.0.0.1",))
    assert machine.network()[0].state == "lacks"


@pytest.mark.parametrize(
    ("said", "number"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "1.8.0_292"', 8), ('version "21"', 21), ("?", None)],
)
def test_javas_version(said: str, number: int | None) -> None:
    assert programs.major(said) == number


def test_programs_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert programs.git()[0].state == "missing"
    assert [programs.java()[0].state, programs.browser()[0].state] == ["lacks", "lacks"]


def test_an_old_java_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "version", lambda *_: 'java version "1.8.0_292"')
    assert programs.java()[0].state == "lacks"


def test_links_are_really_tried(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, artifacts = storage.links()
    assert "hardlink" in data.found
    assert (data.state, artifacts.thing) == ("ok", "links, DVC's cache → artifacts/")
    assert {one.name for one in home.iterdir()} == {".dvc"}, "nothing stays"

    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(storage, "KINDS", {"reflink": refuse, "hardlink": refuse, "symlink": os.symlink})
    assert storage.links()[0].cost == "only symlinks"
    monkeypatch.setattr(storage, "KINDS", {"reflink": refuse, "hardlink": refuse, "symlink": refuse})
    assert "copied" in storage.links()[0].cost


def test_the_cache_is_where_dvc_is_told(home: Path) -> None:
    assert storage.cache_folder() == home / ".dvc" / "cache"
    (home / ".dvc" / "config.local").write_text("[cache]\n    dir = ../../elsewhere\n")
    assert storage.cache_folder() == home.parent / "elsewhere"


def test_remotes_are_reached_or_not_and_show_no_login(home: Path) -> None:
    assert storage.remotes()[0].found == "none"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (home / "there").mkdir()
    (home / ".dvc" / "config").write_text(
        "['remote \"here\"']\n    url = ../there\n['remote \"gone\"']\n    url = /nowhere/at/all\n"
        f"['remote \"web\"']\n    url = http://user:canary@127.0.0.1:{port}/x?sig=canary\n"
    )
    here, gone, web = storage.remotes()
    assert (here.state, gone.state, web.state) == ("ok", "lacks", "lacks")
    assert "canary" not in str((here, gone, web))


def test_mlflows_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "made at the first run" in storage.tracking()[0].found
    store = sqlite3.connect(home / "mlflow.db", isolation_level=None)
    store.execute("CREATE TABLE runs (id)")
    store.execute("INSERT INTO runs VALUES (1)")
    assert storage.tracking()[0].found.endswith("mlflow.db: 1 runs")
    store.execute("BEGIN EXCLUSIVE")
    assert "locked" in storage.tracking()[0].found
    store.close()
    (home / "mlflow.db").write_bytes(b"no database" * 100)
    assert "not a database" in storage.tracking()[0].found


def test_a_tracking_server_that_is_down_shows_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:canary@127.0.0.1:{port}")
    (found,) = storage.tracking()
    assert found.state == "lacks"
    assert "refused" in found.found
    assert "canary" not in str(found)


def test_a_framework_that_fails_or_hangs_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "TIMEOUT", 20.0)
    seen = frameworks.framework("numpy", "numpy", "said, gpus, mps = ['1'], [], False", "slow", "a GPU")
    assert (seen[0].found, seen[0].state) == ("1; no GPU", "lacks")
    broken = frameworks.framework("numpy", "numpy", "raise ImportError('libcudart.so')", "", "")
    assert (broken[0].found, broken[0].state) == ("ImportError: libcudart.so", "missing")
    assert frameworks.framework("x", "no-such-thing", "", "", "", optional="x")[0].state == "lacks"
    monkeypatch.setattr(frameworks, "TIMEOUT", 0.2)
    hanging = frameworks.framework("numpy", "numpy", "import time; time.sleep(60)", "", "")
    assert (hanging[0].found, hanging[0].state) == ("no answer within 0 s", "lacks")


def test_a_probe_that_fails_does_not_end_the_others() -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("0")

    found = frameworks.together([broken, machine.python])
    assert [one.thing for one in found] == ["broken", "Python"]


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found = ["doctor"]
    monkeypatch.setattr(sys, "argv", found)
    return found


def test_what_make_demo_needs_decides_the_exit_status(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words += ["--quick", "--json"]
    assert main() == 0
    assert {row["thing"] for row in json.loads(capsys.readouterr().out)} >= {"Python", "git", "ports", "memory"}
    monkeypatch.setenv("PATH", "/nowhere")
    assert main() == 1
    words.remove("--json")
    assert main() == 1
    assert "make demo cannot run: git" in capsys.readouterr().out


def test_quick_asks_no_framework_and_loads_none(home: Path) -> None:
    assert len(chosen(quick=False)) - len(chosen(quick=True)) == len(frameworks.probes())
    python("-m", "stages.doctor", "--quick", DVC_ROOT=str(home))
    done = python("-X", "importtime", "-m", "stages.doctor", "--quick", "--json", DVC_ROOT=str(home))
    imported = {line.split()[-1] for line in done.stderr.splitlines()}
    assert not {"torch", "tensorflow", "mlflow", "dvc", "hydra"} & imported
