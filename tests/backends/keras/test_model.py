import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stages.backends.base import framework
from stages.core.errors import UserError
from stages.preprocess.store import Store
from stages.train.model import Description, build, save
from tests.conftest import described, replace, tree

KERAS = framework("keras")
CONFIG = tree().models["xception"].train


def model(prepared: Path, folder: Path, labels: list[str]) -> Description:
    """Write an untrained model."""
    KERAS.prepare(CONFIG, Store(prepared), [])
    sys.modules["keras"].utils.clear_session()
    network = build("keras", CONFIG.network, len(labels), 48, [])
    description = replace(described(Store(prepared), CONFIG, {}, "xception"), labels=labels)
    save(folder, KERAS.state(network), description)
    return description


@pytest.mark.parametrize("labels", [["cat", "dog"], ["cat", "dog", "owl"]])
def test_a_model_answers_a_probability_for_every_class(labels: list[str], prepared: Path, tmp_path: Path) -> None:
    description = model(prepared, tmp_path, labels)
    images = Store(prepared).split("val").images[:4]
    answer = KERAS.native(tmp_path, description)
    first, again = answer(images), answer(images)
    assert first.shape == (4, len(labels))
    assert np.allclose(first.sum(1), 1, atol=1e-6)
    assert np.array_equal(first, again), "nothing random is left in it"


def test_weights_of_another_network_are_refused(prepared: Path, tmp_path: Path) -> None:
    description = model(prepared, tmp_path, ["cat", "dog"])
    with pytest.raises(UserError, match="its weights are not those of network xception"):
        KERAS.native(tmp_path, replace(description, labels=["cat", "dog", "owl"]))


def test_weights_from_every_kind_of_file(prepared: Path, tmp_path: Path) -> None:
    source = KERAS.prepare(CONFIG, Store(prepared), [])
    expected = KERAS.state(source)
    source.save(tmp_path / "w.keras")
    source.save_weights(tmp_path / "w.weights.h5")
    save_file(expected, tmp_path / "w.safetensors")
    for name in ("w.keras", "w.weights.h5", "w.safetensors"):
        config = replace(CONFIG, seed=5, weights=str(tmp_path / name))
        found = KERAS.state(KERAS.prepare(config, Store(prepared), []))
        assert all(np.array_equal(found[key], expected[key]) for key in expected), name


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5", "w.safetensors"])
def test_weights_that_are_none(name: str, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a state of this network"):
        KERAS.prepare(replace(CONFIG, weights=str(tmp_path / name)), Store(prepared), [])


TINY = """
import keras
from keras import layers

def keras_model(classes: int, size: int, *, width: int) -> keras.Model:
    pixels = layers.Input((size, size, 3))
    x = layers.Dense(width, "relu")(layers.Flatten()(layers.Rescaling(1 / 255)(pixels)))
    return keras.Model(pixels, layers.Dense(classes, "softmax")(x))
"""


def test_a_network_is_one_file(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes by softmax, as a file of one's own may answer them, trained, kept and opened again."""
    (tmp_path / "tiny_keras.py").write_text(TINY)
    monkeypatch.syspath_prepend(tmp_path)
    store = Store(prepared)
    config = replace(CONFIG, network={"name": "tiny_keras", "width": 4}, epochs=1)
    network = KERAS.prepare(config, store, ["tiny_keras"])
    found = KERAS.train(network, config, store, tmp_path / "scratch", lambda _: None)
    description = replace(described(store, config, found.best, "tiny"), plugins=["tiny_keras"])
    save(tmp_path, KERAS.state(found.network), description)
    images = store.split("val").images[:3]
    expected = np.asarray(found.network(images.astype("float32"), training=False))
    assert np.allclose(KERAS.native(tmp_path, description)(images), expected, atol=1e-6)
