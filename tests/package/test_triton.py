from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from stages.package.triton import config, pbtxt, write
from tests.conftest import tree

BATCHING = tree().models["base_cnn"].package.triton
LABELS = ["cat", 'a "quoted" dog\n']


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    onnx, savedmodel = tmp_path / "model.onnx", tmp_path / "model.savedmodel"
    onnx.write_bytes(b"onnx")
    savedmodel.mkdir()
    (savedmodel / "saved_model.pb").write_bytes(b"tensorflow")
    models = {"onnx": onnx, "tensorflow": savedmodel}
    write(tmp_path / "triton", config("pets", 64, LABELS, BATCHING), LABELS, models, BATCHING.image)
    return tmp_path / "triton"


@pytest.mark.parametrize(
    ("name", "platform", "file"),
    [
        ("onnx", "onnxruntime_onnx", "model.onnx"),
        ("tensorflow", "tensorflow_savedmodel", "model.savedmodel/saved_model.pb"),
    ],
)
def test_the_configuration_is_what_tritons_schema_allows(name: str, platform: str, file: str, repository: Path) -> None:
    folder = repository / name / "pets"
    found = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (found.name, found.platform, found.max_batch_size) == ("pets", platform, 32)
    (given,), (answered,) = found.input, found.output
    assert (given.name, given.data_type, list(given.dims)) == ("pixels", model_config_pb2.TYPE_UINT8, [64, 64, 3])
    assert (answered.name, answered.data_type, list(answered.dims)) == (
        "probabilities",
        model_config_pb2.TYPE_FP32,
        [2],
    )
    assert (folder / answered.label_filename).read_text().startswith("cat\n")
    assert list(found.dynamic_batching.preferred_batch_size) == [8, 16, 32]
    assert found.dynamic_batching.max_queue_delay_microseconds == 500
    assert found.dynamic_batching.default_queue_policy.max_queue_size == 128
    assert [warm.batch_size for warm in found.model_warmup] == [1, 8, 16, 32]
    assert all(warm.inputs["pixels"].zero_data for warm in found.model_warmup)
    assert (folder / "1" / file).exists()


def test_the_onnx_file_is_not_stored_twice(repository: Path) -> None:
    assert (repository / "onnx" / "pets" / "1" / "model.onnx").samefile(repository.parent / "model.onnx")


def test_the_dockerfile_puts_a_repository_on_tritons_image(repository: Path) -> None:
    lines = (repository / "Dockerfile").read_text().splitlines()
    assert f"ARG IMAGE={BATCHING.image}" in lines
    assert {"FROM ${IMAGE}", "COPY ${REPOSITORY} /models"} <= set(lines)


def test_as_json_it_is_tritons_too() -> None:
    found = json_format.ParseDict(config("pets", 64, LABELS, BATCHING), model_config_pb2.ModelConfig())
    assert found.model_warmup[0].inputs["pixels"].dims == [64, 64, 3]


def test_text_is_escaped() -> None:
    message = {"name": 'a "b"\\\nTYPE_X', "input": [{"name": "é"}]}
    found = text_format.Parse(pbtxt(message), model_config_pb2.ModelConfig())
    assert (found.name, found.input[0].name) == (message["name"], "é")
