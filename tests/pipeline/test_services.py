"""The services, asked as their users ask."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.conftest import encoded, photo, python, run
from tests.pipeline.projects import MODELS, curl, served

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", ["bento.service:Bestiary", "bento.service:base_cnn", "artifacts/bentos/bestiary"])
def test_services_answer_with_curl(target: str, built: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.jpg"
    image.write_bytes(encoded(photo(300, 200), "JPEG"))
    expected = json.loads(
        python("-m", "stages.predict", "model=base_cnn", str(image), "--json", cwd=built).stdout
    )[0]["probabilities"]  # fmt: skip
    best = max(expected, key=expected.get)
    where = str(built / target) if "/" in target else target
    with served(where, built) as address:
        answer = curl("-X", "POST", f"{address}/predictions/base_cnn", "-T", str(image), cwd=tmp_path)
        assert answer == {best: pytest.approx(expected[best], abs=1e-6)}
        two = ("-F", f"images=@{image}", "-F", f"images=@{image}", "-F", "model=base_cnn")
        assert curl(f"{address}/classify", *two, cwd=tmp_path) == [pytest.approx(expected, abs=1e-6)] * 2
        assert "/classify" in curl(f"{address}/docs.json", cwd=tmp_path)["paths"]
        models = {item["modelName"] for item in curl(f"{address}/models", cwd=tmp_path)["models"]}
        assert models == ({"base_cnn"} if target.endswith("base_cnn") else set(MODELS))
        text = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{address}/livez", cwd=tmp_path).stdout
        assert text == "200"
        assert curl(f"{address}/nowhere", cwd=tmp_path)["code"] == 404
        page = run("curl", "-s", f"{address}/", cwd=tmp_path).stdout
        assert ("Choose a picture" if target.endswith("base_cnn") else 'href="/classify/breeds"') in page
        ranked = curl(f"{address}/classify/base_cnn", "-T", str(image), cwd=tmp_path)["labels"]
        assert {item["label"]: item["probability"] for item in ranked} == pytest.approx(expected, abs=1e-6)
        shown = run(
            "curl", "-s", "-H", "Accept: text/html", "-F", "example=0", f"{address}/classify/base_cnn", cwd=tmp_path
        ).stdout
        assert "as the model sees it" in shown
        for words, message in (
            (["-F", f"images=@{__file__}"], "not a picture"),
            (["-F", "images=http://127.0.0.1:9/secret"], "a URL is not fetched"),
            (["-F", f"images=@{image}"] * 65, "65 pictures in one request"),
        ):
            assert message in str(curl(f"{address}/classify", *words, cwd=tmp_path))


def test_triton_clients_talk_to_every_model(built: Path, tmp_path: Path) -> None:
    import numpy as np
    from tritonclient.http import InferenceServerClient, InferInput

    with served("bento.service:Bestiary", built) as address:
        client = InferenceServerClient(address.removeprefix("http://"))
        for model in MODELS:
            tensor = InferInput("pixels", [2, 48, 48, 3], "FP32")
            tensor.set_data_from_numpy(np.full((2, 48, 48, 3), 127.0, np.float32))
            found = client.infer(model, [tensor]).as_numpy("probabilities")
            assert found.shape == (2, client.get_model_metadata(model)["outputs"][0]["shape"][1])
            assert np.allclose(found.sum(1), 1, atol=1e-5)
            assert client.get_model_config(model)["max_batch_size"] == 32
        assert curl(f"{address}/v2/nowhere", cwd=tmp_path) == {"error": "Not Found"}


def test_no_request_of_the_published_protocol_breaks_the_service(built: Path, tmp_path: Path) -> None:
    """Schemathesis sends what MLServer's document allows, and what it does not; attacks/api.py does so with ours."""
    document = str(published(tmp_path))
    with served("bento.service:Bestiary", built) as address:
        words = ["--url", address, "--checks", "not_a_server_error", "--max-examples", "5", "--seed", "1"]
        done = run("schemathesis", "run", document, *words, "--no-color", cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"(\d{3,}) generated, \1 passed", done.stdout), done.stdout[-3000:]


def published(folder: Path) -> Path:
    """Return the protocol's description as MLServer publishes it, from its wheel."""
    words = ["download", "--quiet", "--no-deps", "--disable-pip-version-check", "mlserver==1.7.1", "-d", str(folder)]
    got = python("-m", "pip", *words, cwd=folder, check=False)
    if got.returncode:
        pytest.skip("needs a network: MLServer's wheel could not be had")
    with zipfile.ZipFile(next(folder.glob("mlserver-*.whl"))) as wheel:
        content = json.loads(wheel.read("mlserver/rest/openapi/dataplane.json"))
    content["components"]["schemas"]["TensorData"] = {
        "type": "array",
        "items": {},
    }  # theirs says "bytes", which is no type
    names = {"model_name": ["base_cnn", "xception_jpeg"], "model_version": ["1"]}
    for path in content["paths"].values():
        for parameter in path.get("parameters", []):
            parameter["schema"]["enum"] = names[parameter["name"]]
    (folder / "dataplane.json").write_text(json.dumps(content))
    return folder / "dataplane.json"
