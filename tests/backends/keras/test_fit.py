"""Keras on TensorFlow, in this process; test_torch.py gives torch one of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.backends.base import framework
from stages.config.schema import KerasTrain
from stages.core.errors import UserError
from stages.preprocess.store import Store
from stages.train.history import Row, Trained
from tests.conftest import replace, tree

PLUGINS = ["tests.own.entry_flow"]
NETWORK = {"name": "entry_flow", "dropout": 0.5, "flip": True, "rotation": 0.1, "momentum": 0.9}
CONFIG = replace(tree().models["xception"].train, epochs=3, network=NETWORK, schedule="cosine")
KERAS = framework("keras")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


def fit(store: Path, scratch: Path, config: KerasTrain = CONFIG, die_after: int = 0) -> Trained:
    """Train; die once so many epochs have been reported."""

    def report(row: Row) -> None:
        if row["epoch"] == die_after:
            raise Killed

    opened = Store(store)
    return KERAS.train(KERAS.prepare(config, opened, PLUGINS), config, opened, scratch, report)


def weights(found: Trained) -> dict[str, Any]:
    return KERAS.state(found.network)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def unbroken(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, dict[str, Any]]:
    found = fit(prepared, tmp_path_factory.mktemp("unbroken"))
    return found, weights(found)


def test_history_has_the_same_words_as_lightnings(unbroken: tuple[Trained, dict[str, Any]]) -> None:
    found, _ = unbroken
    assert [row["epoch"] for row in found.history] == [1, 2, 3]
    assert list(found.history[0]) == ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"]
    assert found.best == min(found.history, key=lambda row: row["val_loss"])
    assert found.history[0]["lr"] > found.history[2]["lr"] > 0, "cosine"


def test_the_kept_weights_are_the_best_epochs(prepared: Path, tmp_path: Path) -> None:
    found = fit(prepared, tmp_path, replace(CONFIG, monitor="val_accuracy", mode="max"))
    val = Store(prepared).split("val")
    answers = np.asarray(found.network(val.images[:].astype("float32"), training=False))[:, 0]
    accuracy = float(((answers > 0.5) == val.labels).mean())
    assert accuracy == pytest.approx(found.best["val_accuracy"])
    assert found.best["val_accuracy"] == max(row["val_accuracy"] for row in found.history)


def test_one_seed_gives_one_set_of_weights(
    unbroken: tuple[Trained, dict[str, Any]], prepared: Path, tmp_path: Path
) -> None:
    assert same(weights(fit(prepared, tmp_path / "a")), unbroken[1])
    assert not same(weights(fit(prepared, tmp_path / "b", replace(CONFIG, seed=1))), unbroken[1])


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_killed_run_goes_on_to_the_same_weights(
    epoch: int, unbroken: tuple[Trained, dict[str, Any]], prepared: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        fit(prepared, tmp_path, die_after=epoch)
    resumed = fit(prepared, tmp_path)
    assert same(weights(resumed), unbroken[1])
    assert resumed.history == unbroken[0].history


def test_a_torn_checkpoint_is_no_end(unbroken: tuple[Trained, dict[str, Any]], prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"torn")
    assert same(weights(fit(prepared, tmp_path)), unbroken[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate_grad_batches": 2, "gradient_clip_norm": 1.0, "accelerator": "cpu", "schedule": "onecycle"},
        {"precision": "bf16-mixed"},
        {"precision": "16-mixed"},
        {"jit": True, "network": {"name": "entry_flow", "flip": False, "rotation": 0.0}},
    ],
)
def test_every_key_trains(changes: dict[str, Any], prepared: Path, tmp_path: Path) -> None:
    found = fit(prepared, tmp_path, replace(CONFIG, epochs=1, **changes))
    assert found.history[0]["val_loss"] > 0
    assert all(array.dtype == np.float32 for array in weights(found).values())


def test_patience_stops_early(prepared: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=6, lr=1e-12, patience=1, monitor="val_accuracy", mode="max")
    assert len(fit(prepared, tmp_path, config).history) < 6


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimisers(name: str, prepared: Path) -> None:
    made = replace(CONFIG.optimizer, name=name, weight_decay=0.01)
    network = KERAS.prepare(replace(CONFIG, optimizer=made), Store(prepared), PLUGINS)
    assert type(network.optimizer).__name__.lower() == name
    assert network.optimizer.weight_decay == pytest.approx(0.01)


@pytest.mark.parametrize(("schedule", "first"), [("constant", 0.2), ("onecycle", 0.2 / 25)])
def test_the_learning_rate_follows_from_the_images_of_a_step(schedule: str, first: float, prepared: Path) -> None:
    config = replace(CONFIG, lr=0.1, batch_size=16, lr_scaling="linear", lr_base_batch_size=8, schedule=schedule)
    network = KERAS.prepare(config, Store(prepared), PLUGINS)
    assert float(network.optimizer.learning_rate) == pytest.approx(first)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jit": True}, "XLA on tensorflow cannot compile random_rotation"),
        ({"accelerator": "gpu"}, "accelerator gpu: tensorflow sees no GPU"),
        ({"backend": "torch"}, "this process computes with tensorflow already"),
        ({"backend": "jax"}, "backend jax: "),
        ({"devices": 2, "gradient_clip_norm": 1.0}, "gradient_clip_norm 1: with devices 2 Keras clips"),
        ({"weights": "imagenet"}, "there are no ImageNet weights"),
        ({"weights": "gone.keras"}, "no file .*gone.keras"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(changes: dict[str, Any], words: str, prepared: Path) -> None:
    fit_nothing = replace(CONFIG, **changes)
    if changes.get("accelerator") == "gpu":
        from stages.backends.keras.backend import gpu

        if gpu("tensorflow"):
            pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=words):
        KERAS.prepare(fit_nothing, Store(prepared), PLUGINS)
