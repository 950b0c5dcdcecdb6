"""Runs in MLflow, and a person's runs."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, python, run
from tests.pipeline.projects import runs

pytestmark = pytest.mark.slow


def test_one_mlflow_run_tells_a_models_whole_story(first: Path) -> None:
    (found,) = runs(first)
    assert found["status"] == "FINISHED"
    assert found["epochs"] == 2
    assert found["params"]["models.base_cnn.train.lr"] == "0.001"
    assert found["params"]["models.base_cnn.train.network.dropout"] == "0.2"
    assert {"best_val_accuracy", "test_accuracy", "train_seconds"} <= set(found["metrics"])
    assert {"config", "data", "weights", "dvc_stage", "mlflow.source.git.commit"} <= set(found["tags"])
    assert {"curves.png", "test/card.md", "test/confusion.png"} <= set(found["artifacts"])


def test_the_champion_predicts_as_a_pyfunc(first: Path) -> None:
    code = (
        "import json, mlflow, numpy as np; m = mlflow.pyfunc.load_model('models:/base_cnn@champion');"
        "example = np.zeros((2, 48, 48, 3), np.uint8); out = m.predict(example);"
        "print(json.dumps([m.metadata.signature.inputs.to_dict()[0]['tensor-spec']['dtype'],"
        "np.asarray(out['probabilities'] if isinstance(out, dict) else out).tolist()]))"
    )
    done = python("-c", code, cwd=first, MLFLOW_TRACKING_URI=f"sqlite:///{first}/mlflow.db")
    kind, rows = json.loads(done.stdout.splitlines()[-1])
    assert kind == "uint8"
    assert [sum(row) for row in rows] == pytest.approx([1, 1], abs=1e-5)


def test_a_search_is_one_run_whose_winner_knows_its_test_metrics(built: Path) -> None:
    found = runs(built, "resnet50")
    (parent,) = (item for item in found if item["tags"].get("search") == "random")
    nested = [item for item in found if item["tags"].get("mlflow.parentRunId") == parent["id"]]
    assert len(found) == 3
    assert len(nested) == 2
    (best,) = (item for item in nested if "test_accuracy" in item["metrics"])
    assert best["metrics"]["best_val_accuracy"] == max(item["metrics"]["best_val_accuracy"] for item in nested)


def test_mlflow_runs_the_project(branch: Path) -> None:
    """`mlflow run . -P training_data=… -P epochs=…`, as documented, on an archive of one's own."""
    shutil.move(next((branch / "data" / "raw" / "petimages").glob("*.zip")), branch / "mine.zip")
    shutil.copyfile(ROOT / "Makefile", branch / "Makefile")
    (branch / ".venv").symlink_to(Path(sys.executable).parents[1])
    os.utime(branch / "requirements.lock", (0, 0))
    values = ["-P", f"training_data={branch}/mine.zip", "-P", "epochs=1", "-P", "profile=smoke"]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{branch}/mlflow.db"}
    words = ["--env-manager", "local", "--experiment-name", "xception"]
    run("mlflow", "run", ".", *words, *values, cwd=branch, MAKEFLAGS="", **store)
    newest = runs(branch, "xception")[0]
    assert newest["status"] == "FINISHED"
    assert newest["params"]["epochs"] == "1"
    assert {"config", "data", "weights", "dvc_stage"} <= set(newest["tags"])
    assert newest["params"]["models.xception.train.epochs"] == "1"
    assert {"best_val_accuracy", "test_accuracy"} <= set(newest["metrics"])
    assert (branch / "runs" / f"mlflow-{newest['id']}" / "artifacts" / "packages" / "xception" / "model.onnx").exists()
