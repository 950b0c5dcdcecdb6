"""Models of one's own, and of Keras."""

import json
import shutil
from pathlib import Path

import onnx
import pytest

from stages.package.quantize import attempt
from stages.preprocess.store import Store
from tests.conftest import ROOT, python, tree

pytestmark = pytest.mark.slow


def test_a_model_of_ones_own_is_one_yaml_and_one_file(branch: Path) -> None:
    """SqueezeNet, frozen but for its head, from a folder beside the project."""
    own = ROOT / "tests" / "own"
    words = ["--config-dir", str(own / "conf"), "+models@models.squeezenet=squeezenet", "plugins=[squeezenet]"]
    words += [
        "model=squeezenet",
        "models.squeezenet.train.epochs=2",
        f"models.squeezenet.train.code={own}/squeezenet.py",
    ]
    done = python("-m", "stages.train", *words, cwd=branch, PYTHONPATH=str(own))
    assert "features of train" in done.stdout
    (folder,) = (branch / "runs").glob("*/*-train")
    for stage in ("evaluate", "package", "publish"):
        python("-m", f"stages.{stage}", *words, f"from={folder}", cwd=branch, PYTHONPATH=str(own))
    assert (folder / "artifacts" / "packages" / "squeezenet" / "squeezenet.mar").exists()
    assert list((branch / "published").glob("squeezenet-*/manifest.json"))


def test_one_backend_trains_and_another_exports(built: Path, branch: Path) -> None:
    """The pipeline's model is TensorFlow's; here torch trains one."""
    values = ["models.xception.train.backend=torch", "models.xception.train.epochs=1"]
    python("-m", "stages.train", "model=xception", *values, cwd=branch)
    (folder,) = (branch / "runs").glob("*/*-train")
    python("-m", "stages.package", "model=xception", f"from={folder}", cwd=branch)
    for root in (built, folder):
        parity = json.loads((root / "artifacts" / "packages" / "xception" / "parity.json").read_text())
        assert set(parity) == {"onnx", "savedmodel"}
        assert all(found["max_abs_difference"] <= 1e-5 for found in parity.values())


def test_a_keras_user_opens_the_model_in_keras(built: Path) -> None:
    code = (
        "import keras, numpy as np; m = keras.models.load_model('artifacts/packages/xception/model.keras');"
        "print(m.count_params(), m.predict(np.zeros((1, 48, 48, 3)), verbose=0).shape)"
    )
    assert python("-c", code, cwd=built).stdout.strip() == "2782649 (1, 1)"


@pytest.mark.parametrize(("name", "dataset"), [("xception", "petimages"), ("breeds", "stanford_dogs")])
def test_residual_networks_compute_in_8_bits(name: str, dataset: str, built: Path, tmp_path: Path) -> None:
    """Of Keras and of PyTorch; in fp32 stay the last layer and what comes before the first."""
    shutil.copyfile(built / "artifacts" / "packages" / name / "model.onnx", tmp_path / "model.onnx")
    config = tree(f"models.{name}.package.quantize_drop=100").models[name].package
    found = attempt(tmp_path, Store(built / "data" / "prepared" / dataset), config, 0)
    assert found.trial.largest < 0.25
    assert (tmp_path / "model.int8.onnx").stat().st_size < 0.3 * (tmp_path / "model.onnx").stat().st_size
    nodes = list(onnx.load(tmp_path / "model.int8.onnx").graph.node)
    first = next(number for number, node in enumerate(nodes) if node.op_type == "Conv")
    made = {output: node.op_type for node in nodes for output in node.output}
    plain = [node for node in nodes[first:] if node.op_type in ("Conv", "Gemm", "Add")
             and made.get(node.input[0]) != "DequantizeLinear"]  # fmt: skip
    assert [node.op_type for node in plain] == ["Gemm"]
