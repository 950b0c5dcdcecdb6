"""Two devices that TensorFlow makes of one CPU against one; a process cannot change their number."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.backends.base import framework
from stages.config.schema import KerasTrain
from stages.preprocess.store import Store
from tests.conftest import ROOT, replace, run, tree

PLUGINS = ["tests.own.plain_keras"]
CODE = """
import json, sys
from pathlib import Path
from stages.preprocess.store import Store
from tests.backends.keras.test_several import CONFIG, fit
from tests.conftest import replace
found = fit(Path(sys.argv[1]), Path(sys.argv[2]), replace(CONFIG, devices=int(sys.argv[3])))
print(json.dumps(found))
"""
PLAIN = tree().models["xception"].train
assert isinstance(PLAIN, KerasTrain)
CONFIG = replace(PLAIN, network={"name": "plain_keras"}, epochs=3, batch_size=9, accelerator="cpu", lr=0.01)


def fit(store: Path, scratch: Path, config: KerasTrain) -> dict[str, Any]:
    """Train; return the rows, and the weights' sums of squares."""
    keras, opened = framework("keras"), Store(store)
    found = keras.train(keras.prepare(config, opened, PLUGINS), config, opened, scratch, lambda _: None)
    weights = {name: float((value.astype("float64") ** 2).sum()) for name, value in keras.state(found.network).items()}
    return {"rows": found.history, "weights": weights}


def apart(store: Path, scratch: Path, devices: str) -> dict[str, Any]:
    """Train in a process of its own."""
    done = run(sys.executable, "-c", CODE, str(store), str(scratch), devices, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_two_devices_train_as_one_does(prepared: Path, tmp_path: Path) -> None:
    """The last training batch cannot be shared evenly, nor can the only validation picture of the last one."""
    assert len(Store(prepared).split("train")) % 9 % 2 == 1
    assert len(Store(prepared).split("val")) % 9 == 1
    one, two = (apart(prepared, tmp_path / count, count) for count in "12")
    for mine, theirs in zip(one["rows"], two["rows"], strict=True):
        assert theirs["val_loss"] == pytest.approx(mine["val_loss"], rel=1e-5)
        assert theirs["val_accuracy"] == mine["val_accuracy"]
        assert theirs["train_loss"] == pytest.approx(mine["train_loss"], rel=0.01), "the filled-up batch weighs more"
    assert two["weights"] == pytest.approx(one["weights"], rel=1e-4)
