from pathlib import Path

import pytest

from attacks import stores
from attacks.mlflow import BOUND, EPOCHS, Training, crowd, trained, weights
from stages.core import mlflow_store


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a few seconds where a person's training waits for many."""
    monkeypatch.setattr(mlflow_store, "LOCK_TIMEOUT", 1.0)
    monkeypatch.setattr(stores, "SLOW", 2.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", stores.TROUBLES, ids=lambda trouble: trouble.__name__)
def test_a_training_goes_on_and_says_once_what_is_lost(trouble: stores.Trouble, tmp_path: Path) -> None:
    found = trained(trouble, tmp_path / "home")
    if found.skipped:
        pytest.skip(found.skipped)
    assert not found.wrong, found.said
    if trouble in (stores.dying, stores.full_later, stores.locked_later):
        assert found.lost[0] == f"metrics of step {EPOCHS // 2}", "what came before is recorded"


@pytest.mark.slow
def test_a_crowd_that_comes_first_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = crowd(tmp_path / "home", 8, 30)
    assert not found.wrong
    assert {file.name for file in (tmp_path / "home").iterdir()} == {"mlflow.db", "done"}


def test_what_does_not_hold_is_said() -> None:
    assert Training("x", "", [], "", BOUND + 1).wrong == [
        "other weights", "nothing was lost", "not said once that nothing is recorded",
        "not said once what is not recorded", f"took {BOUND + 1:.0f} s, more than {BOUND:.0f}",
    ]  # fmt: skip
    assert Training("slow", weights(EPOCHS), ["a"], "").wrong == ["lost ['a']"]
    assert not Training("slow", weights(EPOCHS), [], "").wrong
    assert not Training("x", weights(EPOCHS), ["a"], "does not record: x; going on\nnot recorded in MLflow: a", 1).wrong
