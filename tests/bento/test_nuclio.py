"""The base64 protocol: batches, bad pictures among good ones, and every refusal in its own shape."""

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from bento import nuclio
from bento.desk import Desk
from bento.model import Model
from bento.settings import settings
from tests.conftest import encoded, photo
from tests.services import in_process, mounted

SETTINGS = replace(settings(), threads=1, queue=2, concurrency=1, max_images=64, max_body_mb=1.0)
PICTURES = [encoded(photo(200, 150, seed), "JPEG") for seed in range(3)]
WHERE = "/base64/base_cnn"


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def item(path: str, data: bytes) -> dict[str, str]:
    return {"path": path, "encoded": text(data)}


ONE = {"data": [item("a.jpg", PICTURES[0])]}


@pytest.fixture
def desk(package: Path) -> Desk:
    return Desk(SETTINGS, package, ["base_cnn"])


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with in_process(desk) as found:
        yield found


@pytest.fixture
def several(package: Path) -> Iterator[TestClient]:
    """A service of two models, which answer alike."""
    desk = Desk(SETTINGS, package, ["base_cnn"])
    desk.models["vgg19"] = desk.models["base_cnn"]
    with in_process(desk) as found:
        yield found


@pytest.fixture
def batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every batch that ONNX Runtime computes from now on."""
    session = desk.models["base_cnn"]._session
    run, found = session.run, []

    def counted(outputs: list[str], feed: dict[str, np.ndarray]) -> Any:
        found.append(len(feed["pixels"]))
        return run(outputs, feed)

    monkeypatch.setattr(session, "run", counted)
    return found


def test_pictures_are_labelled_under_their_paths(client: TestClient, desk: Desk) -> None:
    sent = {"data": [item(f"{number}.jpg", picture) for number, picture in enumerate(PICTURES)]}
    answer = client.post(WHERE, json=sent)
    rows = desk.models["base_cnn"].predict(PICTURES)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["0.jpg", "1.jpg", "2.jpg"]
    for asked, found, row in zip(sent["data"], answer.json().values(), rows, strict=True):
        label = ("cat", "dog")[int(row.argmax())]
        assert found == {"pred": label, "prob": pytest.approx(float(row.max()), abs=1e-6), "encoded": asked["encoded"]}


def test_a_call_is_one_batch(client: TestClient, batches: list[int]) -> None:
    small = encoded(photo(60, 50), "JPEG")
    answer = client.post(WHERE, json={"data": [item(str(number), small) for number in range(64)]})
    assert len(answer.json()) == 64
    assert batches == [64]


def test_nothing_in_is_nothing_out(client: TestClient, batches: list[int]) -> None:
    answer = client.post(WHERE, json={"data": []})
    assert (answer.status_code, answer.json(), batches) == (200, {}, [])


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("", "empty"),
        ("****", "not base64"),
        ("abc", "not base64"),
        ("é", "not base64"),
        ("\ud800", "not base64"),
        ("http://127.0.0.1/a.jpg", "not base64"),
        ("data:image/jpeg," + text(PICTURES[0]), "not base64"),
        (text(b"%PDF-1.4"), "not one of JPEG, PNG"),
        (text(PICTURES[0][:-400]), "broken JPEG"),
        (text(encoded(Image.new("1", (6000, 6000)))), "6000 x 6000 pixels, more than 25 megapixels"),
    ],
)
def test_a_bad_picture_leaves_the_others_alone(bad: str, words: str, client: TestClient, batches: list[int]) -> None:
    data = [item("a", PICTURES[0]), {"path": "bad", "encoded": bad}, item("c", PICTURES[2])]
    answer = client.post(WHERE, content=json.dumps({"data": data}))
    alone = [client.post(WHERE, json={"data": [data[number]]}).json() for number in (0, 2)]
    assert answer.status_code == 200
    found = answer.json()
    assert list(found) == ["a", "bad", "c"]
    assert list(found["bad"]) == ["error"]
    assert words in found["bad"]["error"]
    for path, expected in zip("ac", alone, strict=True):
        assert found[path]["pred"] == expected[path]["pred"]
        assert found[path]["prob"] == pytest.approx(expected[path]["prob"], abs=1e-6)
    assert batches == [2, 1, 1]


def test_no_good_picture_is_no_batch(client: TestClient, batches: list[int]) -> None:
    answer = client.post(WHERE, json={"data": [item("a", b"nothing"), item("b", b"")]})
    assert [list(found) for found in answer.json().values()] == [["error"], ["error"]]
    assert batches == []


@pytest.mark.parametrize(
    "sent",
    [
        f"data:image/jpeg;base64,{text(PICTURES[0])}",
        f"data:;base64,{text(PICTURES[0])}",
        base64.encodebytes(PICTURES[0]).decode(),
        base64.encodebytes(PICTURES[0]).decode().replace("\n", "\r\n"),
        f" data:image/jpeg;charset=x;base64,\n{base64.encodebytes(PICTURES[0]).decode()} ",
    ],
)
def test_data_urls_and_lines_are_read_and_come_back_as_sent(sent: str, client: TestClient) -> None:
    plain = client.post(WHERE, json=ONE).json()["a.jpg"]
    found = client.post(WHERE, json={"data": [{"path": "a.jpg", "encoded": sent}]}).json()["a.jpg"]
    assert found == plain | {"encoded": sent}


@pytest.mark.parametrize("path", ["", "Ж/猫 🐈.jpg", 'a"b\\c\n', "\ud83d"])
def test_any_path_comes_back(path: str, client: TestClient) -> None:
    answer = client.post(WHERE, content=json.dumps({"data": [item(path, PICTURES[0])]}))
    assert list(answer.json()) == [path]


MALFORMED = [
    (b"", "the body is not JSON"),
    (b"{", "the body is not JSON"),
    (b"\xff\xd8\xff\xe0", "the body is not JSON"),
    (b"[" * 100_000, "the body is not JSON"),
    (b"9" * 5000, "the body is not JSON"),
    ([], "data: missing; send {"),
    ({}, "data: missing"),
    ({"instances": []}, "data: missing"),
    ({"data": None}, "data: must be a list, not NoneType"),
    ({"data": {"path": "a"}}, "data: must be a list, not dict"),
    ({"data": ["a.jpg"]}, "data[0]: must be an object with path and encoded, not str"),
    ({"data": [*ONE["data"], {"path": "b"}]}, "data[1].encoded: missing"),
    ({"data": [{"encoded": ""}]}, "data[0].path: missing"),
    ({"data": [{"path": None, "encoded": ""}]}, "data[0].path: must be a string, not NoneType"),
    ({"data": [{"path": "a", "encoded": 7}]}, "data[0].encoded: must be a string, not int"),
    ({"data": [{"path": "a", "encoded": ["x"]}]}, "data[0].encoded: must be a string, not list"),
    ({"data": [item("a", b""), item("b", b""), item("a", b"x")]}, "data[2].path: 'a' occurs twice"),
    ({"data": [item("\ud800", b"")] * 2}, r"data[1].path: '\ud800' occurs twice"),
]


@pytest.mark.parametrize(("sent", "words"), MALFORMED)
def test_malformed_requests_name_what_is_wrong(sent: Any, words: str, client: TestClient, batches: list[int]) -> None:
    answer = client.post(WHERE, content=sent if isinstance(sent, bytes) else json.dumps(sent))
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]
    assert batches == []


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/base64/vgg", 404, "Model not found: vgg. There are: base_cnn"),
        ("POST", "/base64?model=vgg", 404, "Model not found: vgg. There are: base_cnn"),
        ("POST", "/base64/base_cnn/1.0", 404, "Not Found"),
        ("POST", "/base64/", 404, "Not Found"),
        ("GET", WHERE, 405, "Method Not Allowed"),
        ("PUT", "/base64", 405, "Method Not Allowed"),
    ],
)
def test_elsewhere_below_base64(method: str, path: str, status: int, words: str, client: TestClient) -> None:
    answer = client.request(method, path, json=ONE)
    assert answer.status_code == status
    assert answer.json() == {"error": words}
    assert ("allow" in answer.headers) == (status == 405)


def test_its_name_is_only_its_own(client: TestClient) -> None:
    assert set(client.post("/base64s", json=ONE).json()) == {"code", "type", "message"}


@pytest.mark.parametrize("path", ["/", "/base64", "/base64?model=base_cnn", "/?model=base_cnn"])
def test_one_model_needs_no_name(path: str, client: TestClient) -> None:
    answer = client.post(path, json=ONE)
    assert answer.status_code == 200
    assert answer.json() == client.post(WHERE, json=ONE).json()


@pytest.mark.parametrize("path", [WHERE, "/base64/vgg19", "/base64?model=base_cnn", "/base64?model=vgg19"])
def test_one_of_several_models_is_named(path: str, several: TestClient) -> None:
    assert several.post(path, json=ONE).json()["a.jpg"]["pred"] in ("cat", "dog")


@pytest.mark.parametrize(("path", "status"), [("/base64", 400), ("/base64?model=", 400), ("/", 405)])
def test_of_several_models_one_must_be_named(path: str, status: int, several: TestClient) -> None:
    answer = several.post(path, json=ONE)
    assert answer.status_code == status
    assert "POST to /base64/base_cnn, /base64/vgg19" in answer.json()["error"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_and_a_post_share_the_root(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application as BentoML mounts it, before its own pages."""
    from bento import service

    monkeypatch.setattr(service, "FOLDER", package)
    with mounted(service.make("base_cnn", ["base_cnn"])) as client:
        page = client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert 'action="/classify/base_cnn#result"' in page.text
        assert client.head("/").status_code == 200
        assert client.post("/", json=ONE).json() == client.post(WHERE, json=ONE).json()
        assert list(client.post("/", content=b"no").json()) == ["error"]
        typed = client.post("/classify", files={"images": ("a.jpg", PICTURES[0])}).json()
        twin = client.post("/classify/base_cnn", content=PICTURES[0]).json()["labels"]
        assert {item["label"]: pytest.approx(item["probability"]) for item in twin} == typed[0]
        assert "/classify" in client.get("/docs.json").json()["paths"]


def test_more_pictures_than_allowed(client: TestClient, batches: list[int]) -> None:
    answer = client.post(WHERE, json={"data": [item(str(number), b"x") for number in range(65)]})
    assert answer.status_code == 413
    assert answer.json() == {"error": "data: 65 pictures in one request, more than 64"}
    assert batches == []


@pytest.mark.parametrize("path", ["/", "/base64", WHERE])
def test_a_body_over_the_limit_is_refused_in_the_protocols_shape(path: str, client: TestClient) -> None:
    answer = client.post(path, content=bytes(2**20 + 1))
    assert answer.status_code == 413
    assert answer.json() == {"error": "The body is larger than 1 MB"}


def test_a_full_queue_answers_503_and_when_to_come_again(client: TestClient, desk: Desk) -> None:
    gate = threading.Event()

    async def crowd() -> None:
        waiting = [asyncio.ensure_future(desk.run(gate.wait)) for _ in range(SETTINGS.queue + SETTINGS.concurrency)]
        await asyncio.sleep(0.05)
        answer = await asyncio.to_thread(client.post, WHERE, json=ONE)
        gate.set()
        await asyncio.gather(*waiting)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json() == {"error": "2 requests are waiting already"}

    asyncio.run(crowd())
    assert client.post(WHERE, json=ONE).status_code == 200


def test_a_fault_inside_tells_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "run", lambda *_: 1 / 0)
    answer = client.post(WHERE, json=ONE)
    assert answer.status_code == 500
    assert answer.json() == {"error": "inference failed"}


def test_all_work_is_done_in_the_desks_threads(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def noting(work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            threads.append(threading.current_thread().name)
            return work(*given)

        return noted

    for where, name in ((nuclio, "read"), (nuclio, "picture"), (nuclio, "labelled"), (Model, "decode"), (Model, "run")):
        monkeypatch.setattr(where, name, noting(getattr(where, name)))
    assert client.post(WHERE, json=ONE).status_code == 200
    assert len(threads) == 5
    assert all(name.startswith("predict") for name in threads)
