"""Sweeps by every launcher: what dies, what a repeat runs, what MLflow holds; the jobs need no framework."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stages.core.mlflow_store import create_database
from tests.conftest import copy_project, environment, python
from tests.pipeline import slurm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a stage that needs no framework, and a store of runs."""
    folder = copy_project(tmp_path_factory.mktemp("toy") / "project")
    shutil.copy(Path(__file__).with_name("toy.py"), folder)
    create_database(folder / "empty.db")
    return folder


@pytest.fixture(autouse=True)
def clean(toy: Path) -> Iterator[None]:
    shutil.copy(toy / "empty.db", toy / "mlflow.db")
    yield
    for name in ("runs", "mlartifacts"):
        shutil.rmtree(toy / name, ignore_errors=True)
    for file in (toy / "ran", toy / "recorded", *toy.glob("mlflow.db*")):
        file.unlink(missing_ok=True)


def fates(toy: Path, **of: str) -> None:
    (toy / "fates").write_text(" ".join(f"{seed[1:]}={fate}" for seed, fate in of.items()))


def ranks(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str]]:
    """Return (job, loss, overrides) from a sweep's table."""
    return re.findall(r"^│ (\d+) +│ (\S+) +│ (.*?) +│$", done.stdout, re.MULTILINE)


def ran(toy: Path) -> Counter[str]:
    return Counter((toy / "ran").read_text().split())


def stored(toy: Path, query: str, *values: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(toy / "mlflow.db")) as database:
        return database.execute(query, values).fetchall()


def parents(toy: Path) -> list[tuple[object, ...]]:
    return stored(toy, "SELECT run_uuid, status FROM runs JOIN tags USING (run_uuid) WHERE key = 'sweep'")


def test_jobs_that_die_take_no_other_with_them_and_a_repeat_runs_what_is_missing(toy: Path) -> None:
    sweep = ("-m", "toy", "-m", "seed=1,2,3,4,5")
    fates(toy, _2="raise", _4="exit", _5="kill")
    first = python(*sweep, "hydra/launcher=submitit_local", cwd=toy, check=False)
    assert first.returncode == 1
    assert ranks(first)[:2] == [("2", "0.2", "seed=3"), ("0", "2.2", "seed=1")]
    assert [loss for _, loss, _ in ranks(first)[2:]] == ["failed"] * 3
    assert "job 1 failed: ValueError: a tensor of the wrong shape" in first.stdout
    assert "job 3 failed: SystemExit: no more" in first.stdout
    assert "job 4 failed: killed" in first.stdout
    ((parent, status),) = parents(toy)
    assert status == "FAILED"

    fates(toy, _2="raise")  # in turn, in one process
    second = python(*sweep, cwd=toy, check=False)
    assert second.returncode == 1
    assert "2 of 5 jobs were done before" in second.stdout
    assert ran(toy) == Counter({"1": 1, "2": 2, "3": 1, "4": 2, "5": 3}), "what is killed is tried twice"

    fates(toy)
    third = python(*sweep, cwd=toy)
    assert "4 of 5 jobs were done before" in third.stdout
    assert [job for job, _, _ in ranks(third)] == ["2", "3", "1", "4", "0"]
    assert parents(toy) == [(parent, "FINISHED")]


def test_jobs_at_once_write_to_one_store_though_one_is_killed(toy: Path) -> None:
    fates(toy, _4="kill")
    (toy / "recorded").touch()
    (toy / "mlflow.db").unlink()
    words = ["seed=1,2,3,4,5", "hydra/launcher=joblib", "hydra.launcher.n_jobs=5"]
    done = python("-m", "toy", "-m", *words, cwd=toy, check=False)
    assert done.returncode == 1
    assert [job for job, loss, _ in ranks(done) if loss == "failed"] == ["3"]
    for word in ("locked", "not record"):
        assert word not in done.stdout + done.stderr
    ((parent, _),) = parents(toy)
    rows = """SELECT count(*) FROM metrics JOIN runs USING (run_uuid) JOIN tags USING (run_uuid)
              WHERE status = 'FINISHED' AND tags.key = 'mlflow.parentRunId' AND tags.value = ? GROUP BY run_uuid"""
    assert stored(toy, rows, str(parent)) == [(50,)] * 4


def test_slurm_gets_an_array_and_runs_it(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fates(toy)
    monkeypatch.setenv("PATH", str(slurm.install(tmp_path / "bin")), prepend=":")
    words = ["hydra/launcher=slurm", *(f"hydra.launcher.{key}" for key in ("partition=gpu", "gpus_per_node=2"))]
    words += ["hydra.launcher.array_parallelism=2", "hydra.launcher.account=zoo", "hydra.launcher.timeout_min=90"]
    done = python("-m", "toy", "-m", "seed=1,2,3", *words, cwd=toy)
    assert [job for job, _, _ in ranks(done)] == ["2", "1", "0"]
    (script,) = toy.glob("runs/*/*/.submitit/*/*_submission.sh")
    found = set(re.findall(r"^#SBATCH --(.*)$", script.read_text(), re.MULTILINE))
    assert {"array=0-2%2", "partition=gpu", "gpus-per-node=2", "account=zoo", "time=90", "mem=16GB"} < found
    assert {"cpus-per-task=4", "nodes=1", "ntasks-per-node=1", "job-name=toy"} < found
    assert sys.executable in script.read_text()


def test_without_slurm_a_sweep_says_so_and_leaves_nothing(toy: Path) -> None:
    done = python("-m", "toy", "-m", "seed=1,2", "hydra/launcher=submitit_slurm", cwd=toy, check=False)
    assert done.returncode == 2
    assert "no srun here" in done.stderr
    assert not (toy / "runs").exists()


def test_a_stage_without_a_result_is_done_and_a_folder_counts_its_own_jobs_alone(toy: Path) -> None:
    fates(toy, _1="nothing", _2="nothing", _3="nothing")
    done = python("-m", "toy", "-m", "seed=1,2,3", cwd=toy)
    assert ranks(done) == [("0", "done", "seed=1"), ("1", "done", "seed=2"), ("2", "done", "seed=3")]
    assert "failed" not in done.stdout
    assert "3 of 3 jobs were done before" in python("-m", "toy", "-m", "seed=1,2,3", cwd=toy).stdout

    fates(toy)
    python("-m", "toy", "-m", "seed=1,2,3", "hydra.sweep.dir=runs/mine", cwd=toy)
    assert ran(toy) == Counter({"1": 2, "2": 2, "3": 2})
    (toy / "runs" / "mine" / "2" / "result.json").unlink()
    done = python("-m", "toy", "-m", "seed=4,5", "hydra.sweep.dir=runs/mine", cwd=toy)
    assert [job for job, _, _ in ranks(done)] == ["0", "1"]
    assert len(parents(toy)) == 3


def test_a_job_that_its_queue_takes_back_runs_again_and_is_no_failure(toy: Path) -> None:
    fates(toy, _1="again")
    done = python("-m", "toy", "-m", "seed=1,2", "hydra/launcher=submitit_local", cwd=toy)
    assert ran(toy) == Counter({"1": 2, "2": 1})
    assert "failed" not in done.stdout


@pytest.mark.parametrize(("number", "launcher"), [(signal.SIGTERM, "submitit_local"), (signal.SIGHUP, "joblib")])
def test_a_signal_ends_a_sweep_and_its_jobs(number: signal.Signals, launcher: str, toy: Path) -> None:
    fates(toy, _1="wait", _2="wait")
    words = [sys.executable, "-m", "toy", "-m", "seed=1,2", f"hydra/launcher={launcher}"]
    aside = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # as `… &` in a script
    process = subprocess.Popen([*aside, *words], cwd=toy, env=environment(), stdout=subprocess.PIPE, text=True)
    while not (toy / "ran").exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "the same command goes on from here" in printed
    assert not list(toy.glob("runs/*/*/*/error.txt"))


def test_a_sweep_in_one_of_several_processes_is_refused(toy: Path) -> None:
    several = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    done = python("-m", "toy", "-m", "seed=1,2", cwd=toy, check=False, **several)
    assert done.returncode == 2
    assert "2 processes were started, and a sweep starts its own" in done.stderr
    assert not (toy / "runs").exists()


def test_what_a_queue_refuses_is_a_users_error(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = slurm.install(tmp_path / "bin")
    (commands / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: moon' >&2; exit 1\n")
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    done = python("-m", "toy", "-m", "seed=1,2", "hydra/launcher=slurm", cwd=toy, check=False)
    assert done.returncode == 1
    assert "sbatch: error: invalid partition" in done.stdout


def test_a_group_that_is_misspelt_in_one_job_is_answered_before_any_runs(toy: Path) -> None:
    fates(toy)
    done = python("-m", "toy", "-m", "profile=smoke,smok", cwd=toy, check=False)
    assert done.returncode == 2
    assert "profile: unknown name 'smok'; did you mean smoke?" in done.stderr
    assert not (toy / "ran").exists()
