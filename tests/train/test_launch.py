from pathlib import Path
from typing import Any

import pytest
import torch

from stages.config.schema import LightningTrain
from stages.core.console import console
from stages.core.context import StageContext, StageResult
from stages.core.distributed import TORCHRUN
from stages.core.errors import UserError
from stages.core.workspace import Workspace
from stages.train.launch import launched, processes
from stages.train.schedule import rate
from tests.conftest import replace, tree

RESULT = StageResult("val_loss", "min", {"val_loss": 1.0})


def job(model: str, *overrides: str) -> StageContext:
    return StageContext("train", tree(*overrides), model, Workspace(Path(), Path()))


def processes_of(number: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that torchrun started so many on this machine."""
    for name, value in zip(TORCHRUN, (number, size, number, size), strict=True):
        monkeypatch.setenv(name, str(value))


def test_one_device_needs_no_other_process() -> None:
    assert launched(lambda _: RESULT, job("base_cnn")) == RESULT
    assert launched(lambda _: RESULT, job("xception", "trainer.devices=2")) == RESULT, "Keras' devices are in one"


@pytest.mark.parametrize("number", [0, 1])
def test_in_a_process_that_was_started_it_runs_at_once(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "quiet", False)
    processes_of(number, 2, monkeypatch)
    assert launched(lambda _: RESULT, job("breeds", "trainer.devices=2")) == RESULT
    assert console.quiet == (number == 1)


@pytest.mark.parametrize(
    ("model", "overrides", "words"),
    [
        (
            "breeds",
            [],
            "2 processes were started, 2 of them on this machine, for trainer.devices=1 and trainer.num_nodes=1; say",
        ),
        ("breeds", ["trainer.devices=3"], "; say trainer.devices=2 trainer.num_nodes=1, or start 3 on each machine"),
        ("breeds", ["trainer.num_nodes=2"], "devices=1 and trainer.num_nodes=2; say trainer.devices=2 tr"),
        ("xception", ["trainer.devices=2"], "2 processes were started, and Keras trains in one"),
    ],
)
def test_other_processes_than_the_config_asks_for_are_refused(
    model: str, overrides: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes_of(0, 2, monkeypatch)
    with pytest.raises(UserError, match=words):
        launched(lambda _: RESULT, job(model, *overrides))


def test_other_machines_need_a_launcher() -> None:
    with pytest.raises(
        UserError, match=r"torchrun --nnodes 2 --nproc-per-node 4 .* or all at once with srun --nodes 2"
    ):
        launched(lambda _: RESULT, job("breeds", "trainer.num_nodes=2", "trainer.devices=4"))


def test_processes_are_devices_times_machines() -> None:
    found = tree("trainer.num_nodes=2", "trainer.devices=4")
    assert {name: processes(found.models[name].train) for name in ("breeds", "xception")} == {
        "breeds": 8,
        "xception": 1,
    }


@pytest.mark.parametrize("model", ["breeds", "xception"])
def test_a_batch_is_for_all_devices(model: str) -> None:
    with pytest.raises(UserError, match=rf"models.{model}.train.batch_size: 8 is less than the 9 devices"):
        launched(lambda _: RESULT, job(model, "trainer.devices=9"))


def test_processes_that_lie_unevenly_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    processes_of(0, 5, monkeypatch)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"trainer.num_nodes=1; start 5 on each machine"):
        launched(lambda _: RESULT, job("breeds", "trainer.devices=5"))


GPUS = ["trainer.devices=2", "trainer.accelerator=auto"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["trainer.devices=3"], "devices 3: this machine has 2; say trainer.devices=2 or less"),
        (["trainer.strategy=fsdp", "models.breeds.train.ema=0.9"], "strategy fsdp: it does not go with ema 0.9"),
        (
            ["trainer.strategy=fsdp", "models.breeds.train.gradient_clip_norm=0.5"],
            "strategy fsdp: it does not go with gradient_clip_norm 0.5",
        ),
    ],
)
@pytest.mark.parametrize("started", [False, True])
def test_devices_that_cannot_be_are_refused_before_processes_meet(
    started: bool, overrides: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = job("breeds", *GPUS, *overrides)
    if started:
        processes_of(0, processes(found.model.train), monkeypatch)
    with pytest.raises(UserError, match=words):
        launched(lambda _: RESULT, found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("gradient_clip_norm=0.5", "gradient_clip_norm 0.5: with devices 2 Keras clips"),
        ("accumulate_grad_batches=2", "accumulate_grad_batches 2: with devices 2 Keras does not"),
        ("backend=torch", "devices 2: of Keras' backends only tensorflow"),
    ],
)
def test_several_devices_that_keras_would_not_use_as_one(change: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        launched(lambda _: RESULT, job("xception", "trainer.devices=2", f"models.xception.train.{change}"))
    assert launched(lambda _: RESULT, job("xception", f"models.xception.train.{change}")) == RESULT


def test_every_candidate_of_a_search_must_go_round() -> None:
    space = ["models.base_cnn.search.strategy=grid", "+models.base_cnn.search.space.batch_size=[8,1]"]
    with pytest.raises(UserError, match="batch_size: 1 is less than the 2 devices"):
        launched(lambda _: RESULT, job("base_cnn", "trainer.devices=2", *space))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lr_scaling": "none"}, 0.1),
        ({"lr_scaling": "linear"}, 0.4),
        ({"lr_scaling": "sqrt"}, 0.2),
        ({"lr_scaling": "linear", "accumulate_grad_batches": 2}, 0.8),
        ({"lr_scaling": "linear", "devices": 8}, 0.4),
    ],
)
def test_the_learning_rate_follows_from_the_images_of_a_step(changes: dict[str, Any], expected: float) -> None:
    train = tree().models["base_cnn"].train
    assert isinstance(train, LightningTrain)
    config = replace(train, lr=0.1, batch_size=128, lr_base_batch_size=32)
    assert rate(replace(config, **changes)) == pytest.approx(expected)
