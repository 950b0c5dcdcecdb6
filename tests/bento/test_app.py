"""Every route of the mounted application, with a real packaged model, without a server."""

import asyncio
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from bento.app import build
from bento.desk import Desk
from bento.entrance import Entrance
from bento.model import Model
from bento.refusals import Busy
from bento.settings import settings
from stages.core.image import pixels
from tests.conftest import encoded, photo, python

SETTINGS = replace(settings(), threads=1, queue=2, concurrency=1)
PICTURE = encoded(photo(200, 150), "JPEG")
WHERE = "/predictions/base_cnn"


@pytest.fixture(scope="module")
def desk(package: Path) -> Desk:
    return Desk(SETTINGS, package, ["base_cnn"])


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    app = build()
    app.state.desk = desk
    with TestClient(Entrance(app, app.state), raise_server_exceptions=False) as opened:
        yield opened


def test_one_prediction_raw_and_as_a_form(client: TestClient, desk: Desk) -> None:
    raw = client.post(WHERE, content=PICTURE)
    form = client.post(WHERE, files={"data": ("image.jpg", PICTURE)})
    row = desk.models["base_cnn"].run(pixels(PICTURE, 48, "squash")[None])[0]
    assert raw.json() == form.json() == {("cat", "dog")[int(row.argmax())]: pytest.approx(float(row.max()), abs=1e-6)}
    assert client.put(WHERE, content=PICTURE).json() == raw.json(), "curl -T without -X POST sends PUT"
    assert client.post(f"{WHERE}/1.0", content=PICTURE).json() == raw.json()


def test_the_reading_half_of_the_management_api(client: TestClient) -> None:
    assert client.get("/ping").json() == {"status": "Healthy"}
    assert client.get("/models").json() == {"models": [{"modelName": "base_cnn", "modelUrl": "base_cnn.mar"}]}
    (described,) = client.get("/models/base_cnn").json()
    assert described["modelName"] == "base_cnn"
    assert described["workers"][0]["status"] == "READY"


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "words"),
    [
        ("POST", "/predictions/vgg", PICTURE, 404, "Model not found: vgg. There are: base_cnn"),
        ("GET", "/models/vgg", b"", 404, "There are: base_cnn"),
        ("GET", "/nowhere", b"", 404, "Requested resource is not found"),
        ("GET", WHERE, b"", 405, "Requested method is not allowed"),
        ("POST", WHERE, b"", 400, "The body is empty"),
        ("POST", WHERE, b"%PDF-1.4 not a picture", 415, "Not a picture"),
        ("POST", WHERE, PICTURE[:400], 400, "cannot be decoded"),
        ("POST", WHERE, encoded(Image.new("1", (6000, 6000))), 413, "6000 x 6000 pixels"),
    ],
)
def test_errors_have_torchserves_shape(
    method: str, path: str, content: bytes, status: int, words: str, client: TestClient
) -> None:
    answer = client.request(method, path, content=content)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "type", "message"}
    assert answer.json()["code"] == status
    assert words in answer.json()["message"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(client: TestClient, chunked: bool) -> None:
    block = bytes(2**20)
    content: bytes | Iterator[bytes] = (block for _ in range(17)) if chunked else block * 17
    answer = client.post(WHERE, content=content)
    assert answer.status_code == 413
    assert "larger than 16 MB" in answer.json()["message"]


def test_a_body_at_the_limit_is_read(client: TestClient) -> None:
    assert client.post(WHERE, content=bytes(SETTINGS.max_body)).status_code == 415


def test_a_full_queue_answers_503_and_when_to_come_again(client: TestClient, desk: Desk) -> None:
    gate = threading.Event()
    room = SETTINGS.queue + SETTINGS.concurrency

    async def crowd() -> None:
        waiting = [asyncio.ensure_future(desk.run(gate.wait)) for _ in range(room)]
        await asyncio.sleep(0.05)
        answer = await asyncio.to_thread(client.post, WHERE, content=PICTURE)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["type"] == "ServiceUnavailableException"
        gate.set()
        await asyncio.gather(*waiting)

    asyncio.run(crowd())
    assert client.post(WHERE, content=PICTURE).status_code == 200


def test_a_place_is_free_only_when_the_thread_is(package: Path) -> None:
    """A request that timed out still occupies its thread; those behind it still occupy the queue."""
    slow = Desk(replace(SETTINGS, timeout=0.05, queue=2), package, [])
    gate = threading.Event()

    async def crowd() -> None:
        answers = await asyncio.gather(*(slow.run(gate.wait) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(answer, Busy) for answer in answers)
        with pytest.raises(Busy, match="2 requests are waiting already"):
            await slow.run(gate.wait)
        gate.set()
        await asyncio.sleep(0.1)
        assert await slow.run(lambda: "free again") == "free again"

    asyncio.run(crowd())


def test_a_malformed_form_is_answered_in_the_protocols_shape(client: TestClient) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post(WHERE, content=b"--y\r\nnonsense", headers=kind)
    assert answer.status_code == 400
    assert answer.json()["code"] == 400


def test_a_request_never_hangs(package: Path) -> None:
    slow = Desk(replace(SETTINGS, timeout=0.05), package, [])
    with pytest.raises(Busy, match=r"no answer within 0\.05 s"):
        asyncio.run(slow.run(lambda: threading.Event().wait(0.5)))


def test_a_fault_inside_tells_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "run", lambda *_: 1 / 0)
    answer = client.post(WHERE, content=PICTURE)
    assert answer.status_code == 500
    assert answer.json()["message"] == "Prediction failed"


def test_a_model_is_safe_in_several_threads(desk: Desk) -> None:
    model = desk.models["base_cnn"]
    pictures = [encoded(photo(80, 60, seed), "JPEG") for seed in range(8)]
    expected = np.concatenate([model.predict([picture]) for picture in pictures])
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        for _ in range(5):
            found[number] = model.predict([pictures[number]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.allclose(np.concatenate([found[number] for number in range(8)]), expected, atol=1e-6)
    assert np.allclose(model.predict(pictures), expected, atol=1e-6), "a batch answers as one by one"


def test_the_form_may_hold_the_picture_under_any_name(client: TestClient) -> None:
    answer = client.post(WHERE, files={"anything": io.BytesIO(PICTURE)}, data={"note": "x"})
    assert answer.status_code == 200


def test_the_application_and_the_client_import_nothing_heavy() -> None:
    """What they import is what a Bento installs and carries."""
    heavy = ("torch", "tensorflow", "pyarrow", "pandas", "rich", "mlflow", "faiss", "stages.config.load")
    code = f"import sys, bento.app, bento.client; print([name for name in {heavy} if name in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"
