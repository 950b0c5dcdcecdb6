from pathlib import Path
from threading import Thread

import pytest

from stages.core.distributed import DistEnv
from stages.train.training import undisturbed


def others_wait(scratch: Path) -> bool:
    """Return whether another training with these checkpoints has to wait while this one goes on."""
    entered: list[str] = []

    def enter() -> None:
        with undisturbed(scratch, "training"):
            entered.append("other")

    with undisturbed(scratch, "training"):
        other = Thread(target=enter)
        other.start()
        other.join(0.3)
        waited = not entered
    other.join(10)
    assert entered
    return waited


def test_equal_trainings_take_turns(tmp_path: Path) -> None:
    assert others_wait(tmp_path / "key")
    assert not list(tmp_path.iterdir())


def test_of_one_trainings_processes_the_first_takes_the_turn_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []
    monkeypatch.setattr("stages.train.training.follow_first", passed.append)
    monkeypatch.setattr("stages.train.training.read_dist_env", lambda: DistEnv(1, 2))
    assert not others_wait(tmp_path / "key")
    assert passed == ["turn for key", "turn for key"]
