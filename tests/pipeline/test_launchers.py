"""Sweeps by every launcher: what dies, what a repeat runs, what MLflow holds; the jobs need no framework."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import copy_project, python
from tests.pipeline import slurm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a stage that needs no framework, and a store of runs."""
    folder = copy_project(tmp_path_factory.mktemp("toy") / "project")
    shutil.copy(Path(__file__).with_name("toy.py"), folder)
    return folder


@pytest.fixture(autouse=True)
def clean(toy: Path) -> Iterator[None]:
    yield
    for name in ("runs", "mlartifacts"):
        shutil.rmtree(toy / name, ignore_errors=True)
    for name in ("ran", "recorded", "mlflow.db"):
        (toy / name).unlink(missing_ok=True)


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
    assert "2 of 5 were done before" in second.stdout
    assert ran(toy) == Counter({"1": 1, "2": 2, "3": 1, "4": 2, "5": 2})

    fates(toy)
    third = python(*sweep, cwd=toy)
    assert "4 of 5 were done before" in third.stdout
    assert [job for job, _, _ in ranks(third)] == ["2", "3", "1", "4", "0"]
    assert parents(toy) == [(parent, "FINISHED")]


def test_eight_jobs_at_once_write_to_one_store_though_one_is_killed(toy: Path) -> None:
    fates(toy, _6="kill")
    (toy / "recorded").touch()
    words = ["seed=1,2,3,4,5,6,7,8", "hydra/launcher=joblib", "hydra.launcher.n_jobs=8"]
    done = python("-m", "toy", "-m", *words, cwd=toy, check=False)
    assert done.returncode == 1
    assert [job for job, loss, _ in ranks(done) if loss == "failed"] == ["5"]
    for word in ("locked", "not record"):
        assert word not in done.stdout + done.stderr
    ((parent, _),) = parents(toy)
    rows = """SELECT count(*) FROM metrics JOIN runs USING (run_uuid) JOIN tags USING (run_uuid)
              WHERE status = 'FINISHED' AND tags.key = 'mlflow.parentRunId' AND tags.value = ? GROUP BY run_uuid"""
    assert stored(toy, rows, str(parent)) == [(50,)] * 7


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
