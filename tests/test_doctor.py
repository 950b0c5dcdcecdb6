import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stages import doctor
from stages.doctor import Finding, main, run_probes
from tests.conftest import ROOT, python, run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty project."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / ".dvc").mkdir()
    run("git", "init", "-q", cwd=tmp_path)
    return tmp_path


def test_a_lack_is_told_from_what_is_missing() -> None:
    assert Finding("x", "y", needed=True).state == "ok"
    assert Finding("x", "y", "slow").state == "lacks"
    assert Finding("x", "y", "nothing runs", needed=True).state == "missing"


def test_the_pythons_that_are_supported_are_the_same_everywhere() -> None:
    (first, last) = (".".join(map(str, version)) for version in doctor.PYTHONS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    after = f"{doctor.PYTHONS[1][0]}.{doctor.PYTHONS[1][1] + 1}"
    assert project["requires-python"] == f">={first},<{after}"
    assert f"Python {first}–{last}" in (ROOT / "README.md").read_text()
    assert f"Python {first}–{last}" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("pythons", [((3, 8), (3, 9)), ((4, 0), (4, 1))])
def test_another_python_cannot_install_the_lock(
    pythons: tuple[tuple[int, int], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.probe_python()[0].state == "ok"
    monkeypatch.setattr(doctor, "PYTHONS", pythons)
    (row,) = doctor.probe_python()
    assert row.state == "missing"
    assert "make PYTHON=" in row.mend


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("", None), (None, None)])
def test_a_containers_limit_on_cores(
    text: str | None, cores: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    monkeypatch.setattr(doctor, "cpu_count", lambda: 8)
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    (row,) = doctor.probe_cores()
    assert row.detail.startswith(f"{cores or 8:g} of ")
    assert row.state == ("lacks" if cores else "ok")
    assert row.mend.startswith("set trainer.threads=1") == bool(cores)


def test_a_containers_limit_on_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(str(2**31))
    (row,) = doctor.probe_memory()
    assert (row.detail, row.state) == ("2.0 GB (a container's limit)", "lacks")


def test_memory_without_a_word_from_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    monkeypatch.setattr(doctor, "MEMINFO", tmp_path / "none")
    assert doctor.probe_memory()[0].detail == "unknown here"


def test_a_small_disk_lacks_and_a_full_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((20 * 2**30, "ok"), (5 * 2**30, "lacks"), (2**20, "missing")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _, free=free: type("", (), {"free": free}))
        assert doctor.probe_disks()[0].state == state


def test_a_folder_that_cannot_be_written_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert {(row.detail, row.state) for row in doctor.probe_disks()} == {("not writable", "missing")}


def test_bytecode_that_is_not_kept_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "unset PYTHONDONTWRITEBYTECODE" in doctor.probe_bytecode()[0].mend
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
    assert doctor.probe_bytecode()[0].state == "ok"


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(doctor, "PORTS", {port: "bentoml serve"})
        assert doctor.probe_ports()[0].detail == f"taken: {port} (bentoml serve)"
    assert doctor.probe_ports()[0].detail == f"{port} free"


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "HOSTS", ("127.0.0.1",))
    assert doctor.probe_network()[0].state == "lacks"


@pytest.mark.parametrize(
    ("said", "state"),
    [('openjdk version "17.0.15" 2025-04-15', "ok"), ('java version "1.8.0_292"', "lacks"), ('version "21"', "ok")],
)
def test_an_old_java_lacks(said: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess("java", 0, "", f"{said}\nOpenJDK Runtime Environment\n")
    monkeypatch.setattr(doctor, "_run", lambda *_: done)
    _, java = doctor.probe_torchserve()
    assert (java.detail, java.state) == (said, state)


def test_programs_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert [row.state for row in doctor.probe_git()] == ["missing"]
    assert doctor.probe_torchserve()[1].state == "lacks"


def test_a_project_without_a_repository_is_missing_one(home: Path) -> None:
    assert [row.state for row in doctor.probe_git()] == ["ok", "ok"]
    shutil.rmtree(home / ".git")
    git, repository = doctor.probe_git()
    assert (git.state, repository.state) == ("ok", "missing")
    assert "not a git repository" in repository.detail
    (home / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    assert [row.state for row in doctor.probe_git()] == ["ok", "ok"]


@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_asks_for_a_repository_before_it_sets_up(target: str, home: Path) -> None:
    shutil.copy(ROOT / "Makefile", home)
    shutil.rmtree(home / ".git")
    done = run("make", target, cwd=home, check=False, MAKEFLAGS="", MAKELEVEL="0", PYTHON="false")
    assert done.returncode == 2
    assert "git init && git add -A && git commit -m start" in done.stderr
    assert not (home / ".venv").exists()


def test_make_names_the_pythons_it_can_use() -> None:
    """The check that make runs, run by interpreters that say they are older or newer."""
    check = re.search(r"""-c '(import sys; .*)'$""", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert check is not None
    for version, status in (((3, 10), 1), ((3, 11), 0), ((3, 13), 0), ((3, 14), 1)):
        code = f"import sys; sys.version_info = (*{version}, 0); {check[1].removeprefix('import sys; ')}"
        done = python("-c", code, check=False)
        assert done.returncode == status
        assert ("make PYTHON=python3.12" in done.stderr) == bool(status)


def test_links_are_really_tried(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, artifacts = doctor.probe_links()
    assert (data.detail, data.state, artifacts.thing) == ("hardlinks", "ok", "links, DVC's cache → artifacts/")
    assert {one.name for one in home.iterdir()} == {".dvc", ".git"}, "nothing stays"

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(doctor.os, "link", refuse)
    assert doctor.probe_links()[0].detail == "no hardlinks: Invalid cross-device link"


def test_the_cache_is_where_dvc_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []
    monkeypatch.setattr(doctor, "_try_link", lambda cache, _: tried.append(cache) or "")
    (home.parent / "elsewhere").mkdir()
    (home / ".dvc" / "cache").mkdir()
    doctor.probe_links()
    (home / ".dvc" / "config.local").write_text("[cache]\n    dir = ../../elsewhere\n")
    doctor.probe_links()
    assert tried == [home / ".dvc" / "cache"] * 2 + [home.parent / "elsewhere"] * 2


def test_remotes_are_reached_or_not_and_show_no_login(home: Path) -> None:
    assert doctor.probe_remotes()[0].detail == "none"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (home / "there").mkdir()
    (home / ".dvc" / "config").write_text(
        "['remote \"here\"']\n    url = ../there\n['remote \"gone\"']\n    url = /nowhere/at/all\n"
        f"['remote \"web\"']\n    url = http://user:canary@127.0.0.1:{port}/x?sig=canary\n"
    )
    here, gone, web = doctor.probe_remotes()
    assert here.thing == 'DVC remote "here"'
    assert (here.state, gone.state, web.state) == ("ok", "lacks", "lacks")
    assert "canary" not in str((here, gone, web))


def test_mlflows_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "created by the first run" in doctor.probe_mlflow_store()[0].detail
    store = sqlite3.connect(home / "mlflow.db", isolation_level=None)
    store.execute("CREATE TABLE runs (id)")
    store.execute("INSERT INTO runs VALUES (1)")
    (row,) = doctor.probe_mlflow_store()
    assert (row.detail.endswith("mlflow.db: 1 runs"), row.state) == (True, "ok")
    assert store.execute("SELECT count(*) FROM runs").fetchone() == (1,), "nothing was deleted"
    store.execute("BEGIN IMMEDIATE")
    (row,) = doctor.probe_mlflow_store()
    assert ("locked" in row.detail, row.state) == (True, "lacks")
    store.close()
    (home / "mlflow.db").write_bytes(b"no database" * 100)
    assert "not a database" in doctor.probe_mlflow_store()[0].detail


def test_a_tracking_server_that_is_down_shows_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:canary@127.0.0.1:{port}")
        assert doctor.probe_mlflow_store()[0].state == "ok"
    (row,) = doctor.probe_mlflow_store()
    assert row.state == "lacks"
    assert "refused" in row.detail
    assert "canary" not in str(row)


def test_a_store_that_is_no_server_and_no_file_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:canary@nowhere/runs")
    (row,) = doctor.probe_mlflow_store()
    assert (row.detail, row.state) == ("MLFLOW_TRACKING_URI=postgresql://nowhere/runs: not checked", "ok")


def test_a_framework_that_fails_or_hangs_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.FRAMEWORKS, "numpy", "[]")
    (row,) = doctor.probe_framework("numpy")
    assert row.detail.endswith("; no GPU")
    monkeypatch.setitem(doctor.FRAMEWORKS, "numpy", "1 / 0")
    (row,) = doctor.probe_framework("numpy")
    assert (row.detail, row.state) == ("ZeroDivisionError: division by zero", "missing")
    monkeypatch.setitem(doctor.FRAMEWORKS, "no_such_thing", "[]")
    (row,) = doctor.probe_framework("no_such_thing")
    assert (row.detail, row.state) == ("ModuleNotFoundError: No module named 'no_such_thing'", "missing")
    monkeypatch.setitem(doctor.FRAMEWORKS, "numpy", "__import__('time').sleep(60)")
    monkeypatch.setattr(doctor, "FRAMEWORK_TIMEOUT", 0.2)
    (row,) = doctor.probe_framework("numpy")
    assert (row.detail, row.state) == ("no answer within 0 s", "lacks")


def test_torch_lacks_a_gpu_and_jax_may_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").write_text("__version__ = '9'")
    (tmp_path / "jax.py").write_text("raise ImportError('libcudart.so')")
    monkeypatch.setattr(doctor, "FRAMEWORKS", {"torch": "[]", "jax": "[]"})
    torch, jax = doctor.probe_framework("torch")[0], doctor.probe_framework("jax")[0]
    assert (torch.detail, torch.state, jax.detail, jax.state) == (
        "9; no GPU", "lacks", "ImportError: libcudart.so", "lacks",
    )  # fmt: skip
    monkeypatch.setattr(doctor, "FRAMEWORKS", {"torch": "['NVIDIA H100']"})
    (row,) = doctor.probe_framework("torch")
    assert (row.detail, row.state) == ("9; NVIDIA H100", "ok")


def test_a_probe_that_fails_does_not_end_the_others() -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("0")

    findings = run_probes([broken, doctor.probe_python])
    assert [row.thing for row in findings] == ["broken", "Python"]


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    words = ["doctor"]
    monkeypatch.setattr(sys, "argv", words)
    return words


def test_what_make_demo_needs_decides_the_exit_status(
    words: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words += ["--quick", "--json"]
    assert main() == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["thing"] for row in rows} >= {"Python", "git", "git repository", "ports", "memory"}
    assert all(set(row) == {"thing", "detail", "state", "cost", "mend", "needed"} for row in rows)
    shutil.rmtree(home / ".git")
    assert main() == 1
    words.remove("--json")
    assert main() == 1
    assert "make demo cannot run: git repository" in capsys.readouterr().out
    monkeypatch.setenv("PATH", "/nowhere")
    assert main() == 1
    assert "make demo cannot run: git\n" in capsys.readouterr().out


def test_quick_asks_no_framework_and_loads_none(
    home: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "FRAMEWORKS", {"numpy": "[]"})
    words.append("--json")
    main()
    assert "numpy" in capsys.readouterr().out
    words.append("--quick")
    main()
    assert "numpy" not in capsys.readouterr().out
    done = python("-X", "importtime", "-m", "stages.doctor", "--quick", "--json", DVC_ROOT=str(home))
    imported = {line.split()[-1] for line in done.stderr.splitlines()}
    assert not {"torch", "tensorflow", "mlflow", "dvc", "hydra"} & imported
