"""A Keras network as a featuriser, in a process of its own: the documented features (its stage compares the export)."""

from pathlib import Path

from tests.conftest import ROOT, python

PROGRAM = """
import numpy as np
import torch
from stages.package.cut import featuriser
from stages.package.cut.source import Source

source = Source("keras", {"name": "keras_resnet50"}, "none", "pool", [], [], 64, 3, [])
network = featuriser(source)
pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
with torch.no_grad():
    found = network(torch.from_numpy(pixels)).numpy()

import keras
from stages.networks import keras_resnet50

keras.utils.set_random_seed(3)
whole = keras_resnet50.keras_model(2, 64)
published = keras.applications.ResNet50(include_top=False, weights=None, pooling="avg", input_shape=(64, 64, 3))
for layer in filter(lambda layer: layer.weights, published.layers):
    layer.set_weights(whole.get_layer(layer.name).get_weights())
prepared = keras.applications.resnet.preprocess_input(pixels.astype(np.float32))
features = published.predict(prepared, verbose=0)
expected = features / np.linalg.norm(features, axis=1, keepdims=True)
assert found.shape == (5, 2048)
assert np.abs(found - expected).max() < 1e-6, np.abs(found - expected).max()
assert np.ptp(found, axis=0).max() > 1e-4, "pictures differ"
middle = featuriser(Source("keras", source.network, "none", "conv3_block4_out", [], [], 64, 3, []))
assert tuple(middle.served.output_shape) == (None, 512)
print("same")
"""


def test_it_gives_the_documented_features() -> None:
    assert python("-c", PROGRAM, cwd=ROOT).stdout.strip().endswith("same")


def test_weights_that_cannot_be_had_name_the_address_and_the_folder(tmp_path: Path) -> None:
    code = (
        "from stages.package.cut import featuriser; from stages.package.cut.source import Source;"
        "featuriser(Source('keras', {'name': 'keras_resnet50'}, 'imagenet', 'pool',"
        "[], [], 64, 3, []))"
    )
    nowhere = {"https_proxy": "http://127.0.0.1:9", "KERAS_HOME": str(tmp_path)}
    done = python("-c", code, cwd=ROOT, check=False, **nowhere)
    message = done.stderr.splitlines()[-1]
    assert "weights imagenet: cannot be downloaded" in message
    assert "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert f"{tmp_path}/models" in message
