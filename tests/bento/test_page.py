"""The web page and its JSON twin, in process: both shapes of every answer, and what keeps the page to itself."""

import asyncio
import base64
import copy
import html
import io
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from bento import verdict
from bento.accept import wants_page
from bento.app import build
from bento.desk import Desk
from bento.entrance import Entrance
from bento.model import Model
from bento.render import listed, percent, question
from bento.settings import settings
from tests.conftest import encoded, photo
from tests.services import in_process

SETTINGS = replace(settings(), threads=1, queue=2, concurrency=1, max_body_mb=1.0)
PICTURE = encoded(photo(200, 150), "JPEG")
WHERE = "/classify/base_cnn"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FORM = {"picture": ("a.jpg", PICTURE)}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def desk(package: Path) -> Desk:
    return Desk(SETTINGS, package, ["base_cnn"])


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with in_process(desk) as found:
        yield found


@pytest.fixture
def several(package: Path) -> Iterator[TestClient]:
    desk = Desk(SETTINGS, package, ["base_cnn"])
    desk.models["vgg19"] = copy.copy(desk.models["base_cnn"])
    desk.models["vgg19"].name = "vgg19"
    with in_process(desk) as found:
        yield found


def problem(page: str) -> str:
    """Return what a page says is wrong."""
    found = re.search(r'<p class="problem" role="alert">(.*?)</p>', page)
    assert found, page
    return html.unescape(found[1])


def test_a_program_gets_every_label_the_most_probable_first(client: TestClient, desk: Desk) -> None:
    raw = client.post(WHERE, content=PICTURE)
    expected = desk.models["base_cnn"].rank_labels(desk.models["base_cnn"].predict([PICTURE])[0])
    assert raw.status_code == 200
    assert raw.json() == {
        "model": "base_cnn",
        "determined": True,
        "labels": [{"label": name, "probability": value} for name, value in expected.items()],
    }
    assert client.put(WHERE, content=PICTURE).json() == raw.json(), "curl -T without -X POST sends PUT"
    assert client.post(WHERE, files=FORM).json() == raw.json()
    assert raw.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER["Accept"], True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/*", True),
        ("application/json;q=0.5, text/html", True),
        ("text/html;level=1;q=0.9, */*;q=0.1", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html, application/json", False),
        ("text/html;q=0.2, */*", False),
        ("text/html;q=0", False),
        ("image/avif,image/webp,*/*;q=0.8", False),
        (";;,,q=", False),
    ],
)
def test_a_page_is_for_who_prefers_html(accept: str, page: bool) -> None:
    assert wants_page(Headers({"accept": accept})) == page


def test_a_person_gets_the_page_with_the_verdict(client: TestClient, desk: Desk) -> None:
    answer = client.post(WHERE, files=FORM, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    best, second = client.post(WHERE, content=PICTURE).json()["labels"]
    assert f"<h2>{best['label']}</h2>" in answer.text
    assert answer.text.index(percent(best["probability"])) < answer.text.index(percent(second["probability"]))
    assert answer.text.count("<meter") == 2
    assert '<p class="file">a.jpg</p>' in answer.text
    assert re.search(r"answered in (\d+|under 1)&nbsp;ms", answer.text)
    seen = re.search(r'src="data:image/png;base64,([^"]+)"', answer.text)
    assert seen is not None
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(seen[1]))))
    assert np.array_equal(pixels, desk.models["base_cnn"].decode(PICTURE))


def test_an_improbable_best_is_undetermined(desk: Desk) -> None:
    desk.settings = replace(SETTINGS, min_confidence=1.0)
    with in_process(desk) as client:
        answer = client.post(WHERE, content=PICTURE)
        page = client.post(WHERE, files=FORM, headers=BROWSER).text
    assert answer.json()["determined"] is False
    assert len(answer.json()["labels"]) == 2
    assert "<h2>Could not be determined</h2>" in page
    assert page.count("<meter") == 2, "the candidates are still there"


@pytest.mark.parametrize("path", ["/", WHERE])
def test_the_page_of_one_model(path: str, client: TestClient) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.text.count("<h1>") == 1
    assert "<h1>Cat or dog?</h1>" in answer.text
    assert 'data-limit="1048576"' in answer.text
    assert "up to 1 MB and 25 megapixels" in answer.text
    assert 'accept="image/jpeg,image/png,image/webp"' in answer.text
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_several_models_are_listed(several: TestClient) -> None:
    page = several.get("/").text
    for name in ("base_cnn", "vgg19"):
        assert f'<a href="/classify/{name}">cat and dog</a>' in page
        assert f"{name}, 2 classes" in page
    for path in ("/docs.json", "/openapi/v2.json"):
        assert f'href="{path}"' in page


ERRORS = [
    ("/classify/vgg", PICTURE, 404, "Model not found: vgg. There are: base_cnn", "There is no such model"),
    (WHERE, b"", 400, "no picture", "No picture was chosen. Choose one, then try again."),
    (WHERE, b"plain text", 415, "not one of JPEG", "“a.jpg” is not a picture that can be read here. JPEG, PNG and"),
    (WHERE, PICTURE[:-400], 400, "broken JPEG", "“a.jpg” is damaged and cannot be read. Save it anew"),
    (WHERE, encoded(Image.new("1", (6000, 6000))), 413, "6000 x 6000", "“a.jpg” has more than 25 megapixels. Make"),
    (WHERE, bytes(2**20 + 1), 413, "larger than 1 MB", "The file is larger than 1 MB. Choose a smaller one"),
    (f"{WHERE}/nowhere", PICTURE, 404, "Not Found", "Choose"),
]


@pytest.mark.parametrize(("path", "content", "status", "words", "sentence"), ERRORS)
def test_errors_are_json_for_programs_and_a_sentence_for_people(
    path: str, content: bytes, status: int, words: str, sentence: str, client: TestClient
) -> None:
    plain = client.post(path, content=content)
    page = client.post(path, files={"picture": ("a.jpg" if content else "", content)}, headers=BROWSER)
    assert (plain.status_code, page.status_code) == (status, status)
    assert list(plain.json()) == ["error"]
    assert words in plain.json()["error"]
    assert sentence in problem(page.text)
    for answer in (plain, page):
        assert answer.headers["Content-Security-Policy"] == POLICY


def test_an_unknown_model_is_answered_with_those_there_are(several: TestClient) -> None:
    page = several.get("/classify/vgg", headers=BROWSER)
    assert page.status_code == 404
    assert "There is no such model" in problem(page.text)
    assert 'href="/classify/vgg19"' in page.text
    assert several.get("/classify/vgg").json() == {"error": "Model not found: vgg. There are: base_cnn, vgg19"}


def test_another_method_is_refused(client: TestClient) -> None:
    answer = client.delete(WHERE)
    assert (answer.status_code, list(answer.json())) == (405, ["error"])
    assert {"GET", "HEAD", "POST", "PUT"} == set(answer.headers["Allow"].split(", "))
    assert client.delete(WHERE, headers=BROWSER).headers["Allow"] == answer.headers["Allow"]


def test_bentomls_own_route_keeps_its_errors(client: TestClient) -> None:
    for headers in (BROWSER, {}):
        answer = client.post("/classify", content=bytes(2**20 + 1), headers=headers)
        assert (answer.status_code, set(answer.json())) == (413, {"error"})


def test_a_full_queue_says_so_in_both_shapes(client: TestClient, desk: Desk) -> None:
    gate = threading.Event()

    async def crowd() -> None:
        waiting = [asyncio.ensure_future(desk.run(gate.wait)) for _ in range(SETTINGS.queue + SETTINGS.concurrency)]
        await asyncio.sleep(0.05)
        plain = await asyncio.to_thread(client.post, WHERE, content=PICTURE)
        page = await asyncio.to_thread(client.post, WHERE, files=FORM, headers=BROWSER)
        gate.set()
        await asyncio.gather(*waiting)
        assert (plain.status_code, page.status_code) == (503, 503)
        assert plain.headers["Retry-After"] == page.headers["Retry-After"] == "1"
        assert plain.json() == {"error": "2 requests are waiting already"}
        assert "Many pictures are waiting" in problem(page.text)

    asyncio.run(crowd())


def test_a_fault_inside_tells_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "run", lambda *_: 1 / 0)
    plain, page = client.post(WHERE, content=PICTURE), client.post(WHERE, files=FORM, headers=BROWSER)
    assert (plain.status_code, page.status_code) == (500, 500)
    assert plain.json() == {"error": "inference failed"}
    assert "not with your picture" in problem(page.text)
    assert page.headers["Content-Security-Policy"] == POLICY


def test_a_malformed_form_is_a_sentence(client: TestClient) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post(WHERE, content=b"--y\r\nnonsense", headers=kind).status_code == 400
    page = client.post(WHERE, content=b"--y\r\nnonsense", headers=kind | BROWSER)
    assert (page.status_code, problem(page.text)[:27]) == (400, "The form could not be read.")


def test_a_browser_that_is_still_sending_is_read_on_to_a_bound(client: TestClient, desk: Desk) -> None:
    blocks: list[int] = []

    def body() -> Iterator[bytes]:
        for number in range(8):
            blocks.append(number)
            yield bytes(2**20)

    assert client.post(WHERE, content=body(), headers=BROWSER).status_code == 413
    received: list[int] = []

    async def receive() -> dict[str, object]:
        received.append(1)
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    async def send(_: object) -> None:
        pass

    app = build()
    app.state.desk = desk
    for accept, read in ((b"text/html", 5), (b"*/*", 2)):
        received.clear()
        scope = {"type": "http", "path": WHERE, "method": "POST", "headers": [(b"accept", accept)]}
        asyncio.run(Entrance(app, app.state)(scope, receive, send))
        assert len(received) == read


@pytest.mark.parametrize("number", range(4))
def test_examples_are_tried_and_their_published_label_is_said(number: int, client: TestClient, desk: Desk) -> None:
    example = desk.models["base_cnn"].examples[number]
    assert f'<button name="example" value="{number}">' in client.get(WHERE).text
    full, small = client.get(f"{WHERE}/examples/{number}"), client.get(f"{WHERE}/thumbs/{number}")
    assert full.content == example.picture
    assert max(Image.open(io.BytesIO(small.content)).size) <= 96
    assert full.headers["content-type"] == small.headers["content-type"] == "image/jpeg"
    form = {"example": (None, str(number))}
    assert client.post(WHERE, files=form).json() == client.post(WHERE, content=example.picture).json()
    page = client.post(WHERE, files=form, headers=BROWSER).text
    assert f"published as <strong>{example.label}</strong>" in page


@pytest.mark.parametrize("number", ["4", "-1", "x", "99999999", "²"])
def test_an_example_that_is_not_there(number: str, client: TestClient) -> None:
    for answer in (
        client.get(f"{WHERE}/examples/{number}"),
        client.get(f"{WHERE}/thumbs/{number}"),
        client.post(WHERE, files={"example": (None, number)}),
    ):
        assert (answer.status_code, answer.json()) == (
            400, {"error": f"example {number} does not exist; there are 0 to 3"},
        )  # fmt: skip
    page = client.post(WHERE, files={"example": (None, number)}, headers=BROWSER)
    assert problem(page.text) == f"Example {number} does not exist; there are 0 to 3."


@pytest.mark.parametrize("number", ["0", ""])
def test_a_file_counts_for_more_than_an_example(number: str, client: TestClient) -> None:
    sent = client.post(WHERE, data={"example": number}, files={"picture": ("a.jpg", b"no picture", "image/jpeg")})
    assert sent.status_code == 415
    kind = {"content-type": "Multipart/Form-Data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="p"; filename="a.png"\r\n\r\n' + PICTURE + b"\r\n--b--\r\n"
    assert client.post(WHERE, content=body, headers=kind).status_code == 200


def test_a_package_without_examples_has_none(client: TestClient, desk: Desk) -> None:
    desk.models["base_cnn"].examples = []
    assert 'id="examples"' not in client.get(WHERE).text
    assert client.get(f"{WHERE}/thumbs/0").json() == {"error": "example: this model has none"}


def test_markup_in_names_and_labels_is_inert(client: TestClient, desk: Desk) -> None:
    nasty = "<script>alert(1)</script>\"'&_x"
    desk.models["base_cnn"].labels = [nasty, f"dog{nasty}"]
    pages = [
        client.get(WHERE),
        client.post(WHERE, files={"picture": (f"{nasty}.jpg", PICTURE)}, headers=BROWSER),
        client.post(WHERE, files={"picture": (f"{nasty}.jpg", b"no")}, headers=BROWSER),
        client.get("/classify/<script>alert(1)", headers=BROWSER),
    ]
    for page in pages:
        assert "<script>" not in page.text
        assert "script&gt;" in page.text or page.status_code == 404
    assert "&amp; x" in pages[1].text, "underscores are spaces for people"
    labels = client.post(WHERE, content=PICTURE).json()["labels"]
    assert {item["label"] for item in labels} == {nasty, f"dog{nasty}"}, "programs get labels as they are"


GUARDED = ["/", WHERE, "/classify/nope", f"{WHERE}/thumbs/0", f"{WHERE}/examples/9", "/static/page.css",
           "/static/classify.js", "/static/icon.svg"]  # fmt: skip


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["program", "person"])
def test_every_response_is_guarded(path: str, headers: dict[str, str], client: TestClient) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, path, headers=headers)
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_other_protocols_are_as_they_were(client: TestClient) -> None:
    assert "Content-Security-Policy" not in client.get("/ping").headers
    assert set(client.get("/static/nope").json()) == {"code", "type", "message"}


def references(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="(/[^"]*(?:static|thumbs)[^"]*)"', page)


def test_what_a_page_loads_is_kept_by_its_content(client: TestClient) -> None:
    found = references(client.get(WHERE).text)
    assert len(set(found)) == 8
    kinds = {client.get(path).headers["content-type"] for path in found}
    assert kinds == {"text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml", "image/jpeg"}
    for path in found:
        assert "immutable" in client.get(path).headers["Cache-Control"]
        assert client.get(path.replace("?v=", "?v=0")).headers["Cache-Control"] == "no-cache"


def test_everything_together_weighs_little(client: TestClient) -> None:
    page = client.get(WHERE)
    weight = len(page.content) + sum(len(client.get(path).content) for path in set(references(page.text)))
    assert weight <= 60 * 1024


def test_nothing_leads_elsewhere_and_nothing_is_inline(several: TestClient) -> None:
    paths = ("/", WHERE, "/static/page.css", "/static/classify.js", "/static/icon.svg")
    texts = [several.get(path).text for path in paths]
    texts.append(several.post(WHERE, files=FORM, headers=BROWSER).text)
    texts.append(several.post(WHERE, content=bytes(2**20 + 1), headers=BROWSER).text)
    for text in texts:
        assert not re.search(r"https?://|[\"'(]//", text.replace("http://www.w3.org/2000/svg", ""))
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)|javascript:", text)


def test_all_work_is_done_in_the_desks_threads(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def note(where: object, name: str) -> None:
        work = getattr(where, name)

        def noted(*given: object) -> object:
            threads.append(threading.current_thread().name)
            return work(*given)

        monkeypatch.setattr(where, name, noted)

    note(Model, "decode")
    note(Model, "run")
    note(verdict, "data_url")
    assert client.post(WHERE, files=FORM, headers=BROWSER).status_code == 200
    assert len(threads) == 3
    assert all(name.startswith("predict") for name in threads)
    client.post(WHERE, content=PICTURE)
    assert len(threads) == 5, "a program gets no picture, so none is drawn"


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "100.0"), (0.9999, "> 99.9"), (0.934, "93.4"), (0.0001, "0.0"), (0.99949, "99.9")]
)
def test_percents_do_not_claim_certainty(probability: float, text: str) -> None:
    assert percent(probability) == f"{text}\N{NO-BREAK SPACE}%"


def test_labels_in_a_sentence() -> None:
    assert listed(["cat"]) == "cat"
    assert listed(["cat", "wild_dog"]) == "cat and wild dog"
    assert listed(list("abcd")) == "a, b, c and d"
    assert listed(list("abcde")) == "a, b, c and 2 more"
    assert question(["cat", "dog"]) == "Cat or dog?"
    assert question(list("abcd")) == "What is in your picture?"
