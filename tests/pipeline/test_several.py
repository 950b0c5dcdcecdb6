"""A training in two processes, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stages.core.files import hash_file
from tests.conftest import environment, run
from tests.pipeline.projects import runs

pytestmark = pytest.mark.slow


def killed(command: list[str], project: Path) -> tuple[str, float]:
    """Kill the second process once there is a checkpoint; return what was said and how long the end took, seconds."""
    process = subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not list((project / ".checkpoints").glob("*/last.ckpt")) and process.poll() is None:
        time.sleep(0.02)
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    began = time.monotonic()
    max(workers, key=lambda worker: worker.pid).send_signal(signal.SIGKILL)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert not any(worker.is_running() for worker in workers)
    return said, time.monotonic() - began


def test_the_death_of_one_ends_all_and_the_same_command_goes_on(first_branch: Path) -> None:
    values = ["model=base_cnn", "models.base_cnn.train.epochs=4", "trainer.devices=2"]
    plain = [sys.executable, "-m", "stages.train", *values, "hydra.run.dir=runs/plain"]
    said, seconds = killed(plain, first_branch)
    assert "error training base_cnn: process 1 (its rank) died of SIGKILL" in said
    assert "Traceback" not in said.partition("error training")[2]
    assert seconds < 60
    assert not list((first_branch / "runs" / "plain").glob("artifacts/*/*"))
    run(*plain, cwd=first_branch)
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--nproc-per-node", "2", "-m", "stages.train"]
    run(*torchrun, *values, cwd=first_branch)
    (other,) = first_branch.glob("runs/*-*-*/*")
    weights = [
        folder / "artifacts/models/base_cnn/weights.safetensors" for folder in (first_branch / "runs/plain", other)
    ]
    assert hash_file(weights[0]) == hash_file(weights[1]), "broken off and taken up again, or not"
    assert not list((first_branch / ".checkpoints").iterdir())
    recorded = [item for item in runs(first_branch) if item["params"]["models.base_cnn.train.devices"] == "2"]
    assert [(item["status"], item["epochs"]) for item in recorded] == [("FINISHED", 4)] * 2, "one run each, by rank 0"
    assert os.listdir(first_branch / "runs" / other.parent.name) == [other.name], "one folder for all processes"
