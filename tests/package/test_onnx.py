from pathlib import Path

import numpy as np
import pytest
import torch

from stages.backends.base import framework
from stages.backends.lightning.model import Classifier
from stages.core.files import hash_file
from stages.core.onnx_model import create_session
from stages.package.onnx import INPUT, OUTPUT, ask, export
from stages.package.parity import chosen, compare
from stages.preprocess.store import Store
from stages.train.model import build, describe


def test_onnx_runtime_answers_as_the_network_does(trained: Path, prepared: Path, package: Path) -> None:
    answer = framework("lightning").native(trained, describe(trained))
    images = chosen(Store(prepared).split("test"), 64)
    found = compare(answer(images), ask(package / "base_cnn" / "model.onnx", images))
    assert found.largest <= 1e-5
    assert found.agreeing == found.images == len(images)


def test_the_contract_is_raw_pixels_and_any_batch(package: Path) -> None:
    opened = create_session(package / "base_cnn" / "model.onnx")
    (given,), (answered,) = opened.get_inputs(), opened.get_outputs()
    assert (given.name, given.type, given.shape[1:]) == (INPUT, "tensor(uint8)", [48, 48, 3])
    assert (answered.name, answered.shape[1]) == (OUTPUT, 2)
    for batch in (1, 3, 17):
        answer = opened.run([OUTPUT], {INPUT: np.zeros((batch, 48, 48, 3), np.uint8)})[0]
        assert answer.shape == (batch, 2)
        assert np.allclose(answer.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["base_cnn", "vgg19"])
def test_every_network_exports_to_the_same_bytes_twice(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Classifier(build("lightning", {"name": name}, 2, 48, []), [0.5] * 3, [0.5] * 3).eval()
    export(model, 48, 20, tmp_path / "a.onnx")
    export(model, 48, 20, tmp_path / "b.onnx")
    assert hash_file(tmp_path / "a.onnx") == hash_file(tmp_path / "b.onnx")
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = model(torch.from_numpy(images)).numpy()
    assert compare(expected, ask(tmp_path / "a.onnx", images)).largest <= 1e-5
