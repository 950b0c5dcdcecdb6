"""Sweeps and searches from Hydra's side."""

import json
import re
import shutil
from pathlib import Path

import pytest

from stages.core.files import hash_file
from tests.conftest import python, run
from tests.pipeline.projects import WEIGHTS, locked, runs

pytestmark = pytest.mark.slow


def test_a_sweep_leaves_dvc_alone_and_ends_with_a_table_the_same_by_every_launcher(first_branch: Path) -> None:
    before = locked(first_branch), hash_file(first_branch / WEIGHTS)
    sweep = ["model=base_cnn", "models.base_cnn.train.lr=1e-3,1e-5", "models.base_cnn.train.epochs=1"]
    tables = []
    for launcher in ([], ["hydra/launcher=submitit_local"]):
        done = python("-m", "stages.train", *sweep, "trainer.threads=1", *launcher, "-m", cwd=first_branch)
        assert "best by min val_loss first" in done.stdout
        tables.append(re.findall(r"^│ [01] .*$", done.stdout, re.MULTILINE))
        assert len(list((first_branch / "runs").rglob("weights.safetensors"))) == 2
        found = runs(first_branch)
        (parent, *_) = (item for item in found if "sweep" in item["tags"])  # the newest
        assert sum(item["tags"].get("mlflow.parentRunId") == parent["id"] for item in found) == 2
        shutil.rmtree(first_branch / "runs")
    assert (locked(first_branch), hash_file(first_branch / WEIGHTS)) == before
    assert len(tables[0]) == 2
    assert tables[0] == tables[1]
    losses = [float(line.split("│")[2]) for line in tables[0]]
    assert losses == sorted(losses)


def test_a_typo_in_a_sweep_leaves_nothing_behind(first_branch: Path) -> None:
    before = hash_file(first_branch / "mlflow.db")
    words = ["model=base_cnn", "models.base_cnn.train.lrr=1e-3,1e-5", "-m"]
    done = python("-m", "stages.train", *words, cwd=first_branch, check=False)
    assert done.returncode == 2
    assert "did you mean lr?" in done.stderr
    assert hash_file(first_branch / "mlflow.db") == before
    assert not (first_branch / "runs").exists()


def test_the_search_of_resnet50_from_hydras_side(branch: Path) -> None:
    words = ["hydra/sweeper=optuna", "+sweep=resnet50", "hydra.sweeper.n_trials=2"]
    done = python("-m", "stages.train", "-m", *words, cwd=branch)
    assert "best by max val_accuracy first" in done.stdout
    assert len(list((branch / "runs").rglob("result.json"))) == 2
    (sweep,) = (branch / "runs").glob("*/*-train-sweep")
    promoted = python("-m", "stages.promote", str(sweep.relative_to(branch)), cwd=branch)
    assert "models.resnet50.search.strategy: random → none" in promoted.stdout
    status = json.loads(run("dvc", "status", "--json", "train@resnet50", cwd=branch).stdout)
    assert set(status) == {"train@resnet50"}
