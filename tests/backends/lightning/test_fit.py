from pathlib import Path
from typing import Any

import pytest
import torch

from stages.backends.lightning import prepare, train
from stages.config.schema import LightningTrain
from stages.preprocess.store import Store
from stages.train.history import Row, Trained
from tests.conftest import replace, tree

PLAIN = tree().models["base_cnn"].train
assert isinstance(PLAIN, LightningTrain)
AUGMENT = replace(PLAIN.augment, p=0.8, hflip=0.5, rotation=10.0, crop=0.6, brightness=0.2, contrast=0.2)
CONFIG = replace(PLAIN, epochs=3, augment=AUGMENT, schedule="cosine")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


def fit(store: Path, scratch: Path, config: LightningTrain = CONFIG, die_after: int = 0) -> Trained:
    """Train; die once so many epochs have been reported."""

    def report(row: Row) -> None:
        if row["epoch"] == die_after:
            raise Killed

    opened = Store(store)
    return train(prepare(config, opened, []), config, opened, scratch, report)


def same(one: Trained, other: Trained) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def unbroken(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fit(prepared, tmp_path_factory.mktemp("unbroken"))


def test_history_has_a_row_for_each_epoch(unbroken: Trained) -> None:
    assert [row["epoch"] for row in unbroken.history] == [1, 2, 3]
    assert set(unbroken.history[0]) == {"epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"}
    assert unbroken.best == min(unbroken.history, key=lambda row: row["val_loss"])


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_kept_weights_are_the_best_epochs(ema: float, prepared: Path, tmp_path: Path) -> None:
    from stages.backends.lightning.module import LitClassifier

    found = fit(prepared, tmp_path, replace(CONFIG, ema=ema))
    module = LitClassifier(found.network, CONFIG).eval()
    val = Store(prepared).split("val")
    with torch.inference_mode():
        logits = module(torch.from_numpy(val.images[:].copy()))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(val.labels))
    assert float(loss) == pytest.approx(found.best["val_loss"], rel=1e-4)


def test_one_seed_gives_one_set_of_weights(unbroken: Trained, prepared: Path, tmp_path: Path) -> None:
    assert same(fit(prepared, tmp_path / "a"), unbroken)
    assert not same(fit(prepared, tmp_path / "b", replace(CONFIG, seed=1)), unbroken)


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_killed_run_goes_on_to_the_same_weights(
    epoch: int, unbroken: Trained, prepared: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        fit(prepared, tmp_path, die_after=epoch)
    resumed = fit(prepared, tmp_path)
    assert same(resumed, unbroken)
    assert resumed.history == unbroken.history


@pytest.mark.parametrize(
    "changes", [{"ema": 0.9}, {"patience": 1, "lr": 1e-9, "monitor": "val_accuracy", "mode": "max"}]
)
def test_a_killed_run_goes_on_with_every_callback(changes: dict[str, Any], prepared: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, **changes)
    whole = fit(prepared, tmp_path / "whole", config)
    with pytest.raises(Killed):
        fit(prepared, tmp_path / "killed", config, die_after=2)
    resumed = fit(prepared, tmp_path / "killed", config)
    assert same(resumed, whole)
    assert resumed.history == whole.history


def test_a_torn_checkpoint_is_no_end(unbroken: Trained, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"torn")
    assert same(fit(prepared, tmp_path), unbroken)


def test_patience_stops_early(prepared: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=6, lr=1e-12, patience=1, monitor="val_accuracy", mode="max")
    assert len(fit(prepared, tmp_path, config).history) < 6


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate": 2, "clip": 1.0},
        {"channels_last": "always"},
        {"channels_last": "never"},
        {"precision": "bf16-mixed"},
    ],
)
def test_every_key_of_the_trainer_trains(changes: dict[str, Any], prepared: Path, tmp_path: Path) -> None:
    found = fit(prepared, tmp_path, replace(CONFIG, epochs=1, **changes))
    assert found.history[0]["val_loss"] > 0


@pytest.mark.parametrize(
    "changes", [{"augment": PLAIN.augment}, {}, {"augment": replace(AUGMENT, num_views=2), "freeze": "all"}]
)
def test_data_on_the_device_give_the_same_weights(changes: dict[str, Any], prepared: Path, tmp_path: Path) -> None:
    """On a CPU the device is the CPU; the last case trains a head on features."""
    config = replace(CONFIG, epochs=2, **changes)
    streamed = fit(prepared, tmp_path / "streamed", replace(config, on_device="never"))
    resident = fit(prepared, tmp_path / "resident", replace(config, on_device="always"))
    assert same(streamed, resident)
    assert streamed.history == resident.history


def test_compiling_keeps_the_names_and_is_done_for_one_size_of_batch(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Any:
        compiled.append(graph)
        return graph.forward

    plain = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **words: plain(module, backend=backend, **words))
    torch._dynamo.reset()
    config = replace(CONFIG, epochs=2, batch_size=7, compile="always")
    found = fit(prepared, tmp_path / "compiled", config)
    eager = fit(prepared, tmp_path / "eager", replace(config, compile="never"))
    assert all(len(Store(prepared).split(name)) % 7 for name in ("train", "val"))
    assert len(compiled) == 2, "one graph to train, one to validate"
    assert found.network.state_dict().keys() == eager.network.state_dict().keys()
    assert same(found, eager)
    kept = torch.load(tmp_path / "compiled" / "best.ckpt", weights_only=True)["state_dict"]
    assert "network.conv_block1.conv.weight" in kept


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_deterministic_gpu_run_is_repeated_exactly(prepared: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, deterministic=True, accelerator="gpu")
    assert same(fit(prepared, tmp_path / "a", config), fit(prepared, tmp_path / "b", config))


def test_frozen_batch_normalisation_keeps_its_statistics(prepared: Path, tmp_path: Path) -> None:
    found = fit(prepared, tmp_path, replace(CONFIG, epochs=2, freeze=["conv_block1.*"])).network.state_dict()
    tracked = {name.partition(".")[0]: int(value) for name, value in found.items() if name.endswith("batches_tracked")}
    assert tracked.pop("conv_block1") == 0
    assert min(tracked.values()) > 0


def test_all_have_read_a_finished_trainings_checkpoints_before_the_first_may_remove_them(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[int] = []
    monkeypatch.setattr("stages.backends.lightning.fit.require_shared", lambda epochs, _: met.append(epochs))
    config, store = replace(CONFIG, epochs=1), Store(prepared)
    for together in (True, True, False):
        train(prepare(config, store, []), config, store, tmp_path, lambda _: None, together)
    assert met == [0, 1], "the first alone restores what a search has found"
