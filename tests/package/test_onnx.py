from pathlib import Path

import numpy as np
import pytest
import torch

from stages.errors import UserError
from stages.files import sha256_file
from stages.package.__main__ import refuse_drift
from stages.package.onnx import INPUT, OUTPUT, chosen, export, parity, session
from stages.preprocess.store import Store
from stages.train.model import Classifier, build, classifier


def test_onnx_runtime_answers_as_the_network_does(trained: Path, prepared: Path, package: Path) -> None:
    model, _ = classifier(trained)
    images = chosen(Store(prepared).split("test"), 64)
    found = parity(model, package / "base_cnn" / "model.onnx", images)
    assert found.largest <= 1e-5
    assert found.agreeing == found.images == len(images)


def test_the_contract_is_raw_pixels_and_any_batch(package: Path) -> None:
    opened = session(package / "base_cnn" / "model.onnx")
    (given,), (answered,) = opened.get_inputs(), opened.get_outputs()
    assert (given.name, given.type, given.shape[1:]) == (INPUT, "tensor(uint8)", [48, 48, 3])
    assert (answered.name, answered.shape[1]) == (OUTPUT, 2)
    for batch in (1, 3, 17):
        answer = opened.run([OUTPUT], {INPUT: np.zeros((batch, 48, 48, 3), np.uint8)})[0]
        assert answer.shape == (batch, 2)
        assert np.allclose(answer.sum(1), 1, atol=1e-6)


def test_a_wrong_export_is_noticed(package: Path, trained: Path, prepared: Path) -> None:
    model, _ = classifier(trained)
    with torch.no_grad():
        model.network.get_parameter("fc2.bias").add_(torch.tensor([0.01, 0.0]))
    found = parity(model, package / "base_cnn" / "model.onnx", chosen(Store(prepared).split("test"), 8))
    with pytest.raises(UserError, match="probabilities differ by up to"):
        refuse_drift("base_cnn", found, 1e-5)


def test_nan_is_drift() -> None:
    from stages.package.onnx import Parity

    with pytest.raises(UserError):
        refuse_drift("m", Parity(1, float("nan"), 1), 1e-5)


@pytest.mark.parametrize("name", ["base_cnn", "vgg19"])
def test_every_network_exports_to_the_same_bytes_twice(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Classifier(build({"name": name}, 2, 48, []), [0.5] * 3, [0.5] * 3).eval()
    export(model, 48, 20, tmp_path / "a.onnx")
    export(model, 48, 20, tmp_path / "b.onnx")
    assert sha256_file(tmp_path / "a.onnx") == sha256_file(tmp_path / "b.onnx")
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 3), dtype=np.uint8)
    assert parity(model, tmp_path / "a.onnx", images).largest <= 1e-5
