from pathlib import Path
from threading import Thread

import pytest

from stages.train.training import RANKS, undisturbed


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


def test_equal_trainings_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    assert others_wait(tmp_path / "key")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", RANKS)
def test_the_processes_of_one_training_do_not_wait_for_one_another(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    assert not others_wait(tmp_path / "key")
