"""The Open Inference Protocol over a socket, spoken by Triton's own clients and by one generated from the protocol."""

import asyncio
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.types import InferenceRequest, RequestInput
from tritonclient import http as triton
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

from bento.desk import Desk
from bento.settings import settings
from stages.core.image import pixels
from tests.conftest import encoded, photo
from tests.services import listening

SETTINGS = replace(settings(), threads=1, max_body_mb=1.0)
PICTURES = [encoded(photo(200, 150, seed), "JPEG") for seed in range(3)]
PIXELS = np.stack([pixels(picture, 48, "squash") for picture in PICTURES])
INFER = "/v2/models/base_cnn/infer"


@pytest.fixture(scope="module")
def desk(package: Path) -> Desk:
    return Desk(SETTINGS, package, ["base_cnn"])


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    """Serve the application on a free port, in a thread."""
    with listening(desk) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as opened:
        yield opened


@pytest.fixture
def plain(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{address}") as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(desk: Desk) -> np.ndarray:
    return desk.models["base_cnn"].run(PIXELS)


def given(images: np.ndarray, datatype: str = "UINT8", binary: bool = True) -> list[triton.InferInput]:
    tensor = triton.InferInput("pixels", list(images.shape), datatype)
    tensor.set_data_from_numpy(images.astype({"UINT8": np.uint8, "FP32": np.float32}[datatype]), binary_data=binary)
    return [tensor]


def request(data: Any, shape: list[int], datatype: str = "UINT8", **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "pixels", "shape": shape, "datatype": datatype, "data": data}], **more}


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("base_cnn")
    assert client.is_model_ready("base_cnn_jpeg", "1")
    assert not client.is_model_ready("vgg")
    assert not client.is_model_ready("base_cnn", "2")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification", "model_configuration"]
    assert client.get_model_metadata("base_cnn") == {
        "name": "base_cnn", "versions": ["1"], "platform": "onnxruntime_onnx",
        "inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 48, 48, 3]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    }  # fmt: skip
    assert client.get_model_config("base_cnn", "1")["max_batch_size"] == 32


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_pixels_in_every_form(
    datatype: str, binary_in: bool, binary_out: bool, client: triton.InferenceServerClient, expected: np.ndarray
) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary_out)]
    answer = client.infer("base_cnn", given(PIXELS, datatype, binary_in), outputs=outputs, request_id="seven")
    assert answer.get_response()["id"] == "seven"
    assert np.allclose(answer.as_numpy("probabilities"), expected, atol=1e-6)


def test_no_output_named_is_all_of_them(client: triton.InferenceServerClient, expected: np.ndarray) -> None:
    answer = client.infer("base_cnn", given(PIXELS[:1]), model_version="1")
    assert np.allclose(answer.as_numpy("probabilities"), expected[:1], atol=1e-6)


def test_one_image_needs_no_batch(plain: httpx.Client, expected: np.ndarray) -> None:
    answer = plain.post(INFER, json=request(PIXELS[0].tolist(), [48, 48, 3])).json()
    assert answer["outputs"][0]["shape"] == [1, 2]
    assert answer["outputs"][0]["data"] == pytest.approx(expected[0].tolist(), abs=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_classes(binary: bool, client: triton.InferenceServerClient, expected: np.ndarray) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=1)]
    found = client.infer("base_cnn", given(PIXELS), outputs=outputs).as_numpy("probabilities")
    assert found.shape == (3, 1)
    for row, wanted in zip(found, expected, strict=True):
        probability, index, label = row[0].decode().split(":") if isinstance(row[0], bytes) else row[0].split(":")
        assert float(probability) == pytest.approx(wanted.max(), abs=1e-5)
        assert (int(index), label) == (wanted.argmax(), ("cat", "dog")[wanted.argmax()])


def test_encoded_pictures(client: triton.InferenceServerClient, expected: np.ndarray) -> None:
    tensor = triton.InferInput("image", [3, 1], "BYTES")
    tensor.set_data_from_numpy(np.array(PICTURES, dtype=object).reshape(3, 1))
    assert np.allclose(client.infer("base_cnn_jpeg", [tensor]).as_numpy("probabilities"), expected, atol=1e-6)


def test_encoded_pictures_in_json_are_base64(plain: httpx.Client, expected: np.ndarray) -> None:
    import base64

    data = [base64.b64encode(picture).decode() for picture in PICTURES]
    content = {"inputs": [{"name": "image", "shape": [3], "datatype": "BYTES", "data": data}]}
    answer = plain.post("/v2/models/base_cnn_jpeg/infer", json=content).json()
    assert answer["outputs"][0]["data"] == pytest.approx(expected.reshape(-1).tolist(), abs=1e-6)


def test_a_body_without_json_is_the_input(plain: httpx.Client, expected: np.ndarray) -> None:
    """`curl --data-binary @image.jpg -H "Inference-Header-Content-Length: 0"`."""
    for model, body in (("base_cnn_jpeg", PICTURES[0]), ("base_cnn", PIXELS[0].tobytes())):
        where = f"/v2/models/{model}/infer"
        answer = plain.post(where, content=body, headers={"Inference-Header-Content-Length": "0"})
        assert answer.json()["outputs"][0]["data"] == pytest.approx(expected[0].tolist(), abs=1e-6)
    wrong = plain.post(INFER, content=b"short", headers={"Inference-Header-Content-Length": "0"})
    assert wrong.status_code == 400


@pytest.mark.parametrize("outputs", [[], None])
def test_no_outputs_are_all_outputs(outputs: Any, plain: httpx.Client) -> None:
    answer = plain.post(INFER, json=request(PIXELS[0].tolist(), [48, 48, 3], outputs=outputs))
    assert answer.json()["outputs"][0]["name"] == "probabilities"


@pytest.mark.parametrize("way", ["gzip", "deflate"])
def test_compressed_both_ways(way: str, client: triton.InferenceServerClient, expected: np.ndarray) -> None:
    images = np.concatenate([PIXELS] * 10)
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=False)]
    answer = client.infer(
        "base_cnn",
        given(images),
        outputs=outputs,
        request_compression_algorithm=way,
        response_compression_algorithm=way,
    )
    assert np.allclose(answer.as_numpy("probabilities"), np.concatenate([expected] * 10), atol=1e-6)


def test_a_large_response_comes_compressed(plain: httpx.Client) -> None:
    content = request(np.zeros(32 * 48 * 48 * 3, int).tolist(), [32, 48, 48, 3])
    assert plain.post(INFER, json=content).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.post(INFER, json=content, headers={"accept-encoding": "gzip;q=0"}).headers


def test_the_asynchronous_client(address: str, expected: np.ndarray) -> None:
    async def ask() -> list[np.ndarray]:
        async with aio.InferenceServerClient(address) as opened:
            answers = await asyncio.gather(*(opened.infer("base_cnn", given(PIXELS)) for _ in range(8)))
        return [answer.as_numpy("probabilities") for answer in answers]

    assert all(np.allclose(found, expected, atol=1e-6) for found in asyncio.run(ask()))


def test_a_client_generated_from_the_protocol(address: str, expected: np.ndarray) -> None:
    client = OpenInferenceClient(base_url=f"http://{address}")
    client.check_server_liveness()
    client.check_model_readiness("base_cnn")
    assert client.read_server_metadata().name == "bestiary"
    assert client.read_model_metadata("base_cnn").inputs[0].datatype == "UINT8"
    tensor = RequestInput(name="pixels", shape=[1, 48, 48, 3], datatype="UINT8", data=PIXELS[0].reshape(-1).tolist())
    answer = client.model_infer("base_cnn", request=InferenceRequest(inputs=[tensor]))
    assert answer.outputs[0].data.__root__ == pytest.approx(expected[0].tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        ("base_cnn", given(PIXELS[:, :47]), "shape .3, 47, 48, 3.; it must be"),
        ("base_cnn", given(np.zeros((0, 48, 48, 3))), "a batch of 0; allowed is 1 to 32"),
        ("base_cnn", given(np.zeros((33, 48, 48, 3))), "a batch of 33; allowed is 1 to 32"),
        ("base_cnn", given(PIXELS - 300.0, "FP32"), "pixels lie between 0 and 255"),
        ("base_cnn", given(np.full((1, 48, 48, 3), np.nan), "FP32"), "pixels lie between 0 and 255"),
        ("vgg", given(PIXELS), "Model not found: vgg. There are: base_cnn, base_cnn_jpeg"),
        ("base_cnn_jpeg", given(PIXELS), "takes one input, image; not pixels"),
    ],
)
def test_what_is_wrong_is_said(
    model: str, inputs: list[triton.InferInput], words: str, client: triton.InferenceServerClient
) -> None:
    with pytest.raises(InferenceServerException, match=words):
        client.infer(model, inputs)


def test_a_wrong_output_and_a_wrong_datatype_are_said(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"no output 'logits'; there is probabilities"):
        client.infer("base_cnn", given(PIXELS), outputs=[triton.InferRequestedOutput("logits")])
    tensor = triton.InferInput("pixels", [1, 48, 48, 3], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 48, 48, 3)))
    with pytest.raises(InferenceServerException, match="datatype FP64 is not taken; send UINT8, FP32 or BYTES"):
        client.infer("base_cnn", [tensor])


ONE = {"name": "pixels", "shape": [48, 48, 3], "datatype": "UINT8"}
ANNOUNCED = {**ONE, "parameters": {"binary_data_size": 6912}}


def binary(content: dict[str, Any], data: bytes, length: str | None = None) -> dict[str, Any]:
    head = json.dumps(content).encode()
    return {"content": head + data, "headers": {"Inference-Header-Content-Length": length or str(len(head))}}


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"content": b""}, 400, "the body is not JSON"),
        ({"content": b"[" * 100_000}, 400, "the body is not JSON"),
        ({"json": [1]}, 400, "must be a JSON object"),
        ({"json": {}}, 400, "inputs must be a list"),
        ({"json": {"inputs": [ONE]}}, 400, "neither data nor binary_data_size"),
        ({"json": {"inputs": [ONE, ONE]}}, 400, "neither data"),
        ({"json": {"inputs": [{**ONE, "data": [1, [2]]}]}}, 400, "not of one length"),
        ({"json": {"inputs": [{**ONE, "data": ["a"]}]}}, 400, "must be a list of UINT8 numbers"),
        ({"json": {"inputs": [{**ONE, "data": [0.5] * 6912}]}}, 400, "UINT8 numbers are whole"),
        ({"json": {"inputs": [{**ONE, "data": [256] * 6912}]}}, 400, "lie between 0 and 255"),
        ({"json": {"inputs": [{**ONE, "data": [10**30] * 6912}]}}, 400, "lie between 0 and 255"),
        ({"json": {"inputs": [{**ONE, "data": [1, 2]}]}}, 400, "holds 6912 elements, the data 2"),
        ({"json": {"inputs": [{**ONE, "shape": [-1, 48, 48, 3], "data": []}]}}, 400, "a whole number from 0 to"),
        ({"json": {"inputs": [{**ONE, "data": [10**400] * 9}]}}, 400, "too large"),
        ({"json": {"inputs": [{**ONE, "shape": [], "data": []}]}}, 400, "list of 1 to 8 numbers"),
        ({"json": {"inputs": [{**ONE, "data": [0] * 6912}], "outputs": [{"name": "a"}] * 2}}, 400, "asked for twice"),
        ({"json": {"id": 7, "inputs": [{**ONE, "data": [0] * 6912}]}}, 400, "id must be a string"),
        (binary({"inputs": [ANNOUNCED]}, bytes(6911)), 400, "6912 bytes of binary data announced, 6911 are there"),
        (binary({"inputs": [ANNOUNCED]}, bytes(6913)), 400, "1 bytes follow"),
        (binary({"inputs": [ANNOUNCED]}, bytes(6912), "9999999"), 400, "is not between 1 and the body's"),
        (binary({"inputs": [ANNOUNCED]}, bytes(6912), "-1"), 400, "is not between 1 and the body's"),
        (binary({"inputs": [{**ANNOUNCED, "datatype": "FP32"}]}, bytes(6912)), 400, "the data 1728"),
        ({"content": b"{}", "headers": {"content-encoding": "br"}}, 415, "send gzip, deflate or none"),
        ({"content": b"{}", "headers": {"content-encoding": "gzip"}}, 400, "the body is not gzip"),
        ({"content": gzip.compress(b"{}")[:-4], "headers": {"content-encoding": "gzip"}}, 400, "cut off"),
        ({"content": zlib.compress(bytes(2**24)), "headers": {"content-encoding": "deflate"}}, 413, "decompressed"),
        ({"content": bytes(2**20 + 1)}, 413, "larger than 1 MB"),
    ],
)  # fmt: skip
def test_errors_have_the_protocols_shape(sent: dict[str, Any], status: int, words: str, plain: httpx.Client) -> None:
    answer = plain.post(INFER, **sent)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("element", "status"), [(b"%PDF-1.4", 415), (PICTURES[0][:400], 400), (encoded(photo(6000, 6000)), 413)]
)
def test_pictures_that_cannot_be_read(element: bytes, status: int, plain: httpx.Client) -> None:
    data = struct.pack("<I", len(element)) + element
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    answer = plain.post("/v2/models/base_cnn_jpeg/infer", **binary({"inputs": [tensor]}, data))
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/", 404), ("GET", "/v2/nowhere", 404), ("GET", "/v2/models", 404),
        ("GET", "/v2/models/base_cnn/versions/2", 404), ("GET", INFER, 405), ("POST", "/v2", 405),
        ("POST", "/v2/models/base_cnn/versions/7/infer", 404),
    ],
)  # fmt: skip
def test_elsewhere_below_v2(method: str, path: str, status: int, plain: httpx.Client) -> None:
    answer = plain.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert ("allow" in answer.headers) == (status == 405)


def test_the_description_names_every_route(plain: httpx.Client) -> None:
    from bento.v2 import ROUTES

    document = plain.get("/openapi/v2.json").json()
    assert set(document["paths"]) == {route.path for route in ROUTES}
    (model,) = document["paths"][ROUTES[3].path]["parameters"]
    assert model["schema"]["enum"] == ["base_cnn", "base_cnn_jpeg"]
