"""Two processes on the CPU, joined by gloo, against one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, environment, run

pytestmark = pytest.mark.slow

WAYS = ("uneven", "tiny last batch", "accumulate", "frozen", "features")
SRUN = {"SLURM_JOB_ID": "4321", "SLURM_JOB_NAME": "test", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}
NODE = {"SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_NODEID": "0", "SLURM_NNODES": "1", "SLURM_NODELIST": "127.0.0.1"}
Results = list[dict[str, Any]]


def srun(*command: str, cwd: Path, **changes: str) -> None:
    """Start two processes with the variables that SLURM's srun would set."""
    started = [
        subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(**changes, **SRUN, **NODE, SLURM_PROCID=number, SLURM_LOCALID=number),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in "01"
    ]
    said = [process.communicate(timeout=600)[0] for process in started]
    assert not any(process.returncode for process in started), "\n".join(said)
    assert "epoch 1/" in said[0]
    assert said[1] == "", "the first speaks alone"


@pytest.fixture(scope="module")
def found(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    """Return what one process came to, and each of two."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "tests.backends.lightning.several", str(prepared)]
    run(*command, str(one), cwd=ROOT, DVC_ROOT=str(one))
    srun(*command, str(two), cwd=ROOT, DVC_ROOT=str(two))
    return [json.loads((one / "0.json").read_text())], [
        json.loads((two / f"{number}.json").read_text()) for number in range(2)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_train_as_one_does(way: str, found: tuple[Results, Results]) -> None:
    (one,), (first, second) = found
    assert len(one[way]["rows"]) >= 2
    for mine, theirs, other in zip(one[way]["rows"], first[way]["rows"], second[way]["rows"], strict=True):
        assert theirs == pytest.approx(mine, rel=2e-4)
        assert (theirs["val_accuracy"], theirs["train_accuracy"]) == (mine["val_accuracy"], mine["train_accuracy"])
        assert other == theirs, "the means are those of all, in both"
    assert first[way]["weights"] == pytest.approx(one[way]["weights"], rel=1e-3, abs=1e-6)


def test_the_store_is_opened_not_copied(found: tuple[Results, Results]) -> None:
    assert not any(result["copied"] for results in found for result in results)


def test_the_processes_of_a_machine_share_its_cores(found: tuple[Results, Results]) -> None:
    (one,), pair = found
    assert [result["threads"] for result in pair] == [max(1, one["threads"] // 2)] * 2
