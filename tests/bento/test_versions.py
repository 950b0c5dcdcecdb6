"""int8 beside fp32: one model, two versions, over every protocol."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from bento.desk import Desk
from bento.model import Model
from bento.settings import settings
from stages.core.image import pixels
from tests.conftest import encoded, photo
from tests.services import in_process, listening

SETTINGS = replace(settings(), threads=1)
PICTURE = encoded(photo(200, 150), "JPEG")
PIXELS = pixels(PICTURE, 48, "squash")[None]
WHERE = "/predictions/base_cnn"


@pytest.fixture(scope="module")
def desk(quantized: Path) -> Desk:
    return Desk(SETTINGS, quantized, ["base_cnn"])


@pytest.fixture(scope="module")
def expected(quantized: Path) -> dict[str, np.ndarray]:
    """Return version → probabilities; they differ, if little."""
    found = {name: Model(quantized / "base_cnn", 1, precision=name).run(PIXELS) for name in ("fp32", "int8")}
    assert np.abs(found["fp32"] - found["int8"]).max() > 1e-5
    return {"1": found["fp32"], "2": found["int8"]}


@pytest.fixture
def web(desk: Desk) -> Iterator[TestClient]:
    with in_process(desk) as client:
        yield client


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[triton.InferenceServerClient]:
    with listening(desk) as address, triton.InferenceServerClient(address) as opened:
        yield opened


def ask(client: triton.InferenceServerClient, model: str, version: str) -> tuple[np.ndarray, str]:
    """Return what a version says, and which version said so."""
    if model.endswith("_jpeg"):
        tensor = triton.InferInput("image", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[PICTURE]], dtype=object))
    else:
        tensor = triton.InferInput("pixels", list(PIXELS.shape), "UINT8")
        tensor.set_data_from_numpy(PIXELS)
    answer = client.infer(model, [tensor], model_version=version)
    return answer.as_numpy("probabilities"), answer.get_response()["model_version"]


@pytest.mark.parametrize("model", ["base_cnn", "base_cnn_jpeg"])
@pytest.mark.parametrize(("asked", "answers"), [("", "1"), ("1", "1"), ("2", "2")])
def test_v2(
    model: str, asked: str, answers: str, client: triton.InferenceServerClient, expected: dict[str, np.ndarray]
) -> None:
    found, version = ask(client, model, asked)
    assert version == answers
    assert np.abs(found - expected[answers]).max() < 1e-6


@pytest.mark.parametrize("model", ["base_cnn", "base_cnn_jpeg"])
def test_v2_lists_them(model: str, client: triton.InferenceServerClient, web: TestClient) -> None:
    assert client.get_model_metadata(model)["versions"] == ["1", "2"]
    assert client.get_model_metadata(model, "2")["versions"] == ["1", "2"]
    assert client.is_model_ready(model, "2")
    assert not client.is_model_ready(model, "3")
    with pytest.raises(InferenceServerException, match="has no version 3; there is 1, 2"):
        ask(client, model, "3")
    paths = web.get("/openapi/v2.json").json()["paths"]
    (_, version) = paths["/v2/models/{model}/versions/{version}"]["parameters"]
    assert version["schema"]["enum"] == ["1", "2"]


@pytest.mark.parametrize(("path", "answers"), [("", "1"), ("/1.0", "1"), ("/2.0", "2")])
def test_torchserve(path: str, answers: str, web: TestClient, expected: dict[str, np.ndarray]) -> None:
    ((_, probability),) = web.post(WHERE + path, content=PICTURE).json().items()
    assert probability == pytest.approx(float(expected[answers].max()), abs=1e-6)


def test_torchserve_lists_them(web: TestClient) -> None:
    paths = {"": ["1.0"], "/2.0": ["2.0"], "/all": ["1.0", "2.0"]}
    for path, versions in paths.items():
        assert [found["modelVersion"] for found in web.get(f"/models/base_cnn{path}").json()] == versions
    for answer in (web.post(f"{WHERE}/3.0", content=PICTURE), web.get("/models/base_cnn/3.0")):
        assert (answer.status_code, answer.json()["type"]) == (404, "ModelVersionNotFoundException")
        said = "Model version: 3.0 does not exist for model: base_cnn. There is 1.0, 2.0"
        assert answer.json() == {"code": 404, "type": "ModelVersionNotFoundException", "message": said}
    assert web.get("/models/vgg/all").json()["type"] == "ModelNotFoundException"
    assert web.get(f"{WHERE}/2.0").status_code == 405


@pytest.mark.parametrize(("precision", "answers"), [("fp32", "1"), ("int8", "2")])
def test_the_default_answers_wherever_no_version_is_named(
    precision: str, answers: str, quantized: Path, expected: dict[str, np.ndarray]
) -> None:
    wanted = float(expected[answers].max())
    with in_process(Desk(replace(SETTINGS, precision=precision), quantized, ["base_cnn"])) as web:
        page = web.post("/classify/base_cnn", content=PICTURE).json()["labels"][0]["probability"]
        data = {"data": [{"path": "a", "encoded": base64.b64encode(PICTURE).decode()}]}
        nuclio = web.post("/base64", json=data).json()["a"]["prob"]
        torchserve = web.post(WHERE, content=PICTURE).json()
        infer = web.post(
            "/v2/models/base_cnn/infer", content=PIXELS.tobytes(), headers={"Inference-Header-Content-Length": "0"}
        ).json()
        assert web.get("/models/base_cnn").json()[0]["modelVersion"] == f"{answers}.0"
    found = [page, nuclio, *torchserve.values(), max(infer["outputs"][0]["data"])]
    assert found == pytest.approx([wanted] * 4, abs=1e-6)
    assert infer["model_version"] == answers


def test_a_model_without_int8_answers_in_fp32(package: Path) -> None:
    at = Desk(replace(SETTINGS, precision="int8"), package, ["base_cnn"])
    assert at.models["base_cnn"].version == "1"
    with in_process(at) as web:
        assert web.get("/v2/models/base_cnn").json()["versions"] == ["1"]
        assert web.post(f"{WHERE}/2.0", content=PICTURE).status_code == 404
