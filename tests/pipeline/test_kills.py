"""Trainings that are killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import environment, run
from tests.pipeline.projects import hashes, runs

pytestmark = pytest.mark.slow


def test_a_keras_training_killed_by_sigkill_ends_with_the_same_weights(branch: Path) -> None:
    """Killed once it has left a checkpoint; attacks/kill.py does so with Lightning's."""
    model = "xception"
    trained = branch / "artifacts" / "models" / model
    expected = hashes(trained)
    command = [sys.executable, "-m", "stages.train", "--config-name", "repro", f"model={model}"]
    shutil.rmtree(trained)
    killed = subprocess.Popen(command, cwd=branch, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    while not list((branch / ".checkpoints").glob("*/last.*[!l]")) and killed.poll() is None:
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not trained.exists()
    run(*command, cwd=branch)
    assert hashes(trained) == expected
    assert not list((branch / ".checkpoints").iterdir())
    assert not list((branch / "artifacts" / "models").glob(".*"))
    found = runs(branch, model)
    assert sum(item["status"] == "FINISHED" for item in found) == len(found), "one run, taken up again"
