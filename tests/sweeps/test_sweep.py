"""A sweep's folder, table and parent run; a pool that dies takes nothing along that had ended."""

import os
from pathlib import Path

import pytest

from stages.core.files import read_json, write_json
from stages.core.signals import SignalInterrupt
from stages.sweeps import sweep as module
from stages.sweeps.job import NOTE, RESULT
from stages.sweeps.sweep import SWEEP, Sweep, list_varied, open_sweep


class FakeRun:
    """Stands for the parent run in MLflow."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.status = ""

    def open(self, *_: object) -> None:
        self.id = "run-1"

    def close(self, status: str) -> None:
        self.status = status


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "TrackedRun", FakeRun)
    monkeypatch.setattr(module, "install_handlers", lambda: None)
    monkeypatch.delenv(module.PARENT, raising=False)
    monkeypatch.delenv(module.SWEEP_ID, raising=False)


def end_job(sweep: Path, number: int, loss: float | None = 1.0) -> None:
    folder = sweep / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / NOTE, {"overrides": [f"seed={number}"], "key": "k", "starts": 1})
    if loss is not None:
        write_json(folder / RESULT, {"monitor": "loss", "mode": "min", "metrics": {"loss": loss}})


def test_a_sweep_prints_its_table_best_first_and_closes_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("runs/2026-01-31/12-00-00-train-sweep")
    with open_sweep("train", "a", ["seed=0,1"], "k", folder, 2) as sweep:
        end_job(folder, 0, 0.5)
        end_job(folder, 1, 0.25)
    assert os.environ[module.PARENT] == sweep.parent.id == read_json(folder / SWEEP)["run"]
    assert sweep.succeeded
    assert sweep.parent.status == "FINISHED"
    printed = capsys.readouterr().out
    assert printed.index("│ 1") < printed.index("│ 0")
    assert f"python -m stages.promote {folder}/1" in printed


def test_the_same_command_goes_on_where_its_jobs_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    first = Path("runs/2026-01-31/12-00-00-train-sweep")
    with open_sweep("train", "a", ["seed=0,1,2"], "k", first, 3) as sweep:
        end_job(first, 0)
        end_job(first, 1, None)
    assert not sweep.succeeded
    assert sweep.parent.status == "FAILED"
    printed = capsys.readouterr().out
    assert f"job 1 failed: its process ended without a result ({first}/1)" in printed
    assert "the same command again runs what is missing" in printed
    later = Path("runs/2026-02-01/12-00-00-train-sweep")
    with open_sweep("train", "a", ["seed=0,1,2"], "k", later, 3) as again:
        assert again.folder == first
    assert "going on with" in capsys.readouterr().out
    for command, key in ((["seed=0,1"], "k"), (["seed=0,1,2"], "changed"), (["seed=0,1,2"], None)):
        with open_sweep("train", "a", command, key, later, 3) as other:
            assert other.folder == later
        (later / SWEEP).unlink()
    with open_sweep("train", "a", ["seed=0,1,2", "hydra.sweep.dir=mine"], "k", Path("mine"), 3) as named:
        assert named.folder == Path("mine")


def test_what_differs_from_job_to_job() -> None:
    command = ["model=a", "lr=1e-3,1e-4", "sizes=[1,2]", "seed=range(3)", 'url="a,b"', "on=true"]
    with open_sweep("train", "a", command, None, Path("sweep"), 6):
        pass
    job = ["model=a", "lr=0.001", "sizes=[1,2]", "seed=0", "url=a,b", "on=True", "network.dropout=0.5"]
    assert list_varied(Path("sweep"), job) == ["lr=0.001", "seed=0", "network.dropout=0.5"]


def test_a_pool_that_dies_is_started_again_until_every_job_has_ended() -> None:
    launches = []

    def launch() -> None:
        launches.append(1)
        end_job(folder, 0)
        if len(launches) < 3:
            end_job(folder, 1, None)
            raise RuntimeError("a worker died")
        end_job(folder, 1)

    folder = Path("sweep")
    Sweep(folder, 2, FakeRun()).run(launch)  # type: ignore[arg-type]
    assert len(launches) == 3


def test_a_launcher_that_starts_nothing_is_not_asked_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    def launch() -> None:
        raise OSError("no queue")

    Sweep(Path("sweep"), 2, FakeRun()).run(launch)  # type: ignore[arg-type]
    assert "OSError: no queue" in capsys.readouterr().out


def test_an_interrupt_ends_with_the_signals_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, open_sweep("train", "a", ["seed=0"], "k", Path("sweep"), 1):
        raise SignalInterrupt(15)
    assert end.value.code == 143
    assert "the same command goes on from here" in capsys.readouterr().out
