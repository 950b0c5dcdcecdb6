"""One job of a sweep: what counts as done, what its folder says, what ends it."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from stages.core.context import StageResult
from stages.core.distributed import DistEnv
from stages.core.errors import UserError
from stages.core.files import read_json
from stages.sweeps import job as module
from stages.sweeps.job import (
    ERROR,
    NOTE,
    SWEEP_ID,
    SweepJob,
    has_ended,
    has_succeeded,
    list_jobs,
    read_overrides,
    read_reason,
    read_result,
)

GOOD = StageResult("loss", "min", {"loss": 0.5})


def create_job(tmp_path: Path, key: str | None = "k", overrides: tuple[str, ...] = ("model=a",)) -> SweepJob:
    folder = tmp_path / "0"
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    return SweepJob(folder, overrides, key)


def fail(error: BaseException) -> StageResult:
    raise error


def test_a_result_counts_for_the_key_that_it_follows_from(tmp_path: Path) -> None:
    job = create_job(tmp_path)
    assert job.run(lambda: GOOD) == 0.5
    assert read_result(job.folder) == {"monitor": "loss", "mode": "min", "metrics": {"loss": 0.5}}
    assert read_overrides(job.folder) == "model=a"
    assert job.run(lambda: fail(AssertionError("ran again"))) == 0.5
    assert create_job(tmp_path, "other").run(lambda: None) is None
    assert has_succeeded(job.folder), "a stage without a result is done all the same"
    assert create_job(tmp_path, None).run(lambda: GOOD) == create_job(tmp_path, None).run(lambda: GOOD) == 0.5
    assert list_jobs(tmp_path) == [job.folder]


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What a repeated sweep command does first."""
    numbers = count()

    def begin() -> None:
        monkeypatch.setenv(SWEEP_ID, str(next(numbers)))

    begin()
    return begin


def test_nothing_of_an_earlier_attempt_stays(tmp_path: Path) -> None:
    job = create_job(tmp_path)
    (job.folder / "artifacts" / "models").mkdir(parents=True)
    (job.folder / ERROR).write_text("before\n")
    job.run(lambda: GOOD)
    assert {path.name for path in job.folder.iterdir()} == {".hydra", NOTE, "result.json"}


def test_an_error_is_noted_and_not_raised(tmp_path: Path, command: Callable[[], None]) -> None:
    job = create_job(tmp_path)
    assert job.run(lambda: fail(ValueError("a tensor\nof the wrong shape"))) is None
    assert read_reason(job.folder) == "ValueError: a tensor"
    assert "Traceback" in (job.folder / ERROR).read_text()
    assert job.run(lambda: GOOD) is None, "it has failed in this command"
    command()
    assert job.run(lambda: fail(UserError("lr: below 0"))) is None
    assert (job.folder / ERROR).read_text() == "lr: below 0\n"
    command()
    assert job.run(lambda: fail(SystemExit("no more"))) is None
    assert read_reason(job.folder) == "SystemExit: no more"
    command()
    assert job.run(lambda: GOOD) == 0.5
    assert not (job.folder / ERROR).exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_a_job_that_is_interrupted_has_not_failed(error: BaseException, tmp_path: Path) -> None:
    job = create_job(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        job.run(lambda: fail(error))
    assert not has_ended(job.folder)
    assert read_reason(job.folder) == "its process ended without a result"


def test_a_job_that_submitit_requeues_ends_its_process_and_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    job = create_job(tmp_path)
    for _ in range(3):
        with pytest.raises(SystemExit):
            job.run(lambda: fail(SystemExit(-1)))
        assert not has_ended(job.folder)
    assert job.run(lambda: GOOD) == 0.5


def test_a_job_that_kills_its_process_each_time_fails_at_last_and_may_be_tried_anew(
    tmp_path: Path, command: Callable[[], None]
) -> None:
    job, runs = create_job(tmp_path), []

    def die() -> StageResult:
        runs.append(1)
        raise KeyboardInterrupt  # leaves what a SIGKILL leaves: a note, no end

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            job.run(die)
    assert job.run(die) is None
    assert read_reason(job.folder).startswith("killed: its process ended without a result, twice")
    assert len(runs) == 2
    command()
    with pytest.raises(KeyboardInterrupt):
        job.run(die)
    assert read_json(job.folder / NOTE)["starts"] == 1


def test_of_several_processes_the_first_alone_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[], None]
) -> None:
    monkeypatch.setattr(module, "read_dist_env", lambda: DistEnv(1, 2, 1, 2))
    job = create_job(tmp_path)
    assert job.run(lambda: GOOD) == 0.5
    assert [path.name for path in job.folder.iterdir()] == [".hydra"]
    monkeypatch.setattr(module, "read_dist_env", lambda: DistEnv(0, 2, 0, 2))
    command()
    with pytest.raises(SystemExit, match="1"):
        job.run(lambda: fail(ValueError("first")))
    assert read_reason(job.folder) == "ValueError: first"
