"""Projects in which DVC has made everything, or one model, and how tests look at them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from stages.config.composition import Conf
from stages.core.files import hash_file
from tests.conftest import copy_project, environment, python, run

DATASETS, MODELS, INDEXES = Conf.read().names.values()
STAGES = {
    "compose", "bento",
    *(f"{stage}@{name}" for stage in ("fetch", "preprocess") for name in DATASETS),
    *(f"{stage}@{name}" for stage in ("train", "evaluate", "package") for name in MODELS),
    *(f"{stage}@{name}" for stage in ("featuriser", "index") for name in INDEXES),
}  # fmt: skip
FIRST = {"compose", "fetch@kaggle", "preprocess@kaggle", "train@base_cnn", "evaluate@base_cnn", "package@base_cnn"}
LARGE = 2**20
WEIGHTS = "artifacts/models/base_cnn/weights.safetensors"


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that side-by-side sessions share; the first to ask makes it, the others wait."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    shared = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent
    folder, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def begin(folder: Path) -> None:
    """Make one model in a fresh copy of the project."""
    copy_project(folder)
    config = folder / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("- profile: demo", "- profile: smoke"))
    python("-m", "stages.compose", cwd=folder)
    run("git", "init", "-q", cwd=folder)
    commit(folder, "start")
    assert ran(run("dvc", "repro", "evaluate@base_cnn", "package@base_cnn", cwd=folder)) == FIRST


def go_on(first: Path, folder: Path) -> None:
    """Make everything else in a copy of it."""
    fork(first, folder)
    assert ran(run("dvc", "repro", cwd=folder)) == STAGES - FIRST


def commit(folder: Path, message: str) -> None:
    run("git", "add", "-A", cwd=folder)
    who = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    run("git", *who, "commit", "-qm", message, cwd=folder)


def fork(project: Path, target: Path) -> Path:
    """Copy a project with all that was made in it."""
    return shutil.copytree(project, target, symlinks=True, copy_function=linked)


def linked(source: str, target: str) -> None:
    """Copy a file; large outputs, which nothing changes in place, become second names of the same bytes."""
    large = os.path.getsize(source) > LARGE and not source.endswith(".db")
    (os.link if large else shutil.copy2)(source, target)


def locked(folder: Path) -> dict[str, str]:
    """Return output path → hash of everything DVC tracks."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def ran(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def runs(folder: Path, model: str = "base_cnn") -> list[dict[str, Any]]:
    """Return every MLflow run of a model in a project."""
    from mlflow import MlflowClient

    store = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return [
        {
            "id": run.info.run_id,
            "status": run.info.status,
            "params": run.data.params,
            "metrics": run.data.metrics,
            "tags": run.data.tags,
            "epochs": len(store.get_metric_history(run.info.run_id, "val_loss")),
            "artifacts": [
                item.path
                for place in (None, "test", "test/pictures")
                for item in store.list_artifacts(run.info.run_id, place)
            ],
        }
        for run in store.search_runs([store.get_experiment_by_name(model).experiment_id])
    ]


@contextmanager
def served(target: str, cwd: Path) -> Iterator[str]:
    """Run `bentoml serve` and yield its address once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", target, "--port", str(port)]
    process = subprocess.Popen(command, cwd=cwd, env=environment(), start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/readyz")
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.25)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def curl(*words: str, cwd: Path) -> Any:
    return json.loads(run("curl", "-s", *words, cwd=cwd).stdout)


def hashes(folder: Path) -> dict[str, str]:
    """Return file name → SHA-256 of the files in a folder."""
    return {file.name: hash_file(file) for file in folder.iterdir()}
