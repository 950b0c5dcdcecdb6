"""Who is turned away before a protocol sees the request, in which shape, and what /metrics counts it under."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from bento import entrance, worker
from bento.app import build
from bento.desk import Desk
from bento.entrance import Entrance
from bento.label import Labelled, Restored
from bento.settings import settings
from tests.conftest import encoded, photo
from tests.services import in_process

SETTINGS = replace(settings(), threads=1, queue=1, concurrency=1, max_body_mb=1.0, client_timeout=0.2)
PICTURE = encoded(photo(200, 150), "JPEG")
PATHS = {
    "/predictions/base_cnn": {"code", "type", "message"},
    "/classify/base_cnn": {"error"},
    "/classify": {"error"},
    "/base64": {"error"},
    "/": {"error"},
    "/v2/models/base_cnn/infer": {"error"},
    "/similar": {"error"},
}


@pytest.fixture
def desk(package: Path) -> Desk:
    return Desk(SETTINGS, package, ["base_cnn"])


def ask(desk: Desk, receive: Callable[[], Any], path: str = "/predictions/base_cnn", **headers: str) -> tuple[Any, ...]:
    """Ask over ASGI; return the answer's status, headers and body."""
    app = build()
    app.state.desk = desk
    door = Entrance(app, app.state)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw}
    asyncio.run(door(scope, receive, send))
    assert door.held == 0
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(part.get("body", b"") for part in sent[1:])


@pytest.mark.parametrize("path", PATHS)
def test_a_full_queue_turns_away_before_the_body_is_read(path: str, desk: Desk) -> None:
    async def receive() -> Any:
        raise AssertionError("the body was read")

    desk._under_way = 2
    status, headers, body = ask(desk, receive, path)
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert set(json.loads(body)) == PATHS[path]
    assert b"1 requests are waiting already" in body


def test_a_person_is_turned_away_with_a_page_and_may_look_around(desk: Desk) -> None:
    desk._under_way = 2
    browser = {"Accept": "text/html"}
    with in_process(desk) as client:
        refused = client.post("/classify/base_cnn", content=PICTURE, headers=browser)
        assert (refused.status_code, "Many pictures are waiting" in refused.text) == (503, True)
        assert client.get("/classify/base_cnn", headers=browser).status_code == 200
        assert client.get("/ping").status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(desk: Desk) -> None:
    async def receive() -> Any:
        await asyncio.sleep(60)

    status, headers, body = ask(desk, receive)
    assert (status, headers[b"connection"]) == (408, b"close")
    assert json.loads(body)["type"] == "RequestTimeoutException"


def test_a_body_that_comes_may_take_as_long_as_its_size_needs(desk: Desk) -> None:
    blocks = [bytes(64 * 2**10)] * 3 + [b""]

    async def receive() -> Any:
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": blocks.pop(0), "more_body": bool(blocks)}

    assert ask(desk, receive)[0] == 415, "0.4 s, and 3 s more were allowed for 192 KB"


def test_those_that_are_coming_count_but_not_the_slow_ones(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "SOON", 0.05)

    async def scene() -> None:
        app = build()
        app.state.desk = desk
        door, answers = Entrance(app, app.state), list[int]()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        async def come(receive: Callable[[], Any]) -> None:
            scope = {"type": "http", "method": "POST", "path": "/base64", "query_string": b"", "headers": []}
            await door(scope, receive, send)

        async def never() -> Any:
            await asyncio.sleep(60)

        async def at_once() -> Any:
            return {"type": "http.request", "body": b"[]"}

        slow = [asyncio.ensure_future(come(never)) for _ in range(2)]
        await asyncio.sleep(0)
        await come(at_once)
        desk._under_way = 1
        await come(at_once)
        await asyncio.sleep(0.1)
        await come(at_once)
        assert (answers, door.coming) == ([400, 503, 400], 0)
        await asyncio.gather(*slow)

    asyncio.run(scene())


def test_bodies_take_no_more_memory_than_a_full_queue_of_the_largest(desk: Desk) -> None:
    app = build()
    app.state.desk = desk
    door = Entrance(app, app.state)
    door.held = 2 * SETTINGS.max_body - 10
    with TestClient(door) as client:
        answer = client.post("/base64", content=bytes(11))
        assert (answer.status_code, door.held) == (503, 2 * SETTINGS.max_body - 10)
        assert client.post("/base64", content=b"[]").status_code == 400


def test_a_worker_that_leaves_says_so_and_answers_on(desk: Desk) -> None:
    desk.leaving = True
    with in_process(desk) as client:
        assert client.get("/v2/health/ready").status_code == 503
        assert client.get("/v2/health/live").status_code == 200
        assert (client.get("/ping").status_code, client.get("/ping").json()) == (503, {"status": "Unhealthy"})
        answer = client.post("/predictions/base_cnn", content=PICTURE)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/predictions/base_cnn", "/predictions/base_cnn"),
        ("/predictions/base_cnn/1.0", "/predictions/base_cnn/1.0"),
        ("/predictions/unknown", "/predictions/{model}"),
        ("/v2/models/base_cnn_jpeg/versions/1/infer", "/v2/models/base_cnn_jpeg/versions/1/infer"),
        ("/v2/models/base_cnn/versions/7/infer", "/v2/models/base_cnn/versions/{version}/infer"),
        ("/classify", "/classify"),
        ("/classify/base_cnn/thumbs/17", "/classify/base_cnn/thumbs/{number}"),
        ("/static/page.css", "/static/page.css"),
        ("/readyz", "/readyz"),
        ("/wp-login.php", "/{path}"),
        ("/predictions/a\nb", "/predictions/{model}"),
    ],
)
def test_a_request_counts_under_its_route(path: str, label: str, desk: Desk) -> None:
    paths: list[str] = []

    async def note(scope: Any, *_: Any) -> None:
        paths.append(scope["path"])

    async def count(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await Restored(note)(scope, receive, send)

    app = build()
    app.state.desk = desk
    asyncio.run(Labelled(count, app)({"type": "http", "path": path}, None, None))
    assert paths == [label, path]


@pytest.mark.parametrize("path", ["/predictions/a%0ab", "/v2/models/a%0Ab/ready", "/%0a"])
def test_a_path_over_two_lines_is_nobodys(path: str, desk: Desk) -> None:
    with in_process(desk) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


def test_a_method_that_is_not_allowed_is_told_which_are(desk: Desk) -> None:
    with in_process(desk) as client:
        for method in ("TRACE", "QUERY", "DELETE"):
            assert client.request(method, "/predictions/base_cnn").headers["allow"] == "POST, PUT"
        assert client.put("/readyz").headers["allow"] == "GET, HEAD"
        assert client.get("/static/unknown").headers["x-content-type-options"] == "nosniff"


def test_pictures_of_one_request_are_not_too_many_pixels_together(desk: Desk) -> None:
    import base64

    from PIL import Image

    large = encoded(Image.new("1", (5000, 5000)))
    items = [{"path": str(number), "encoded": base64.b64encode(large).decode()} for number in range(5)]
    with in_process(desk) as client:
        answer = client.post("/base64", json={"data": items})
        assert (answer.status_code, "125 megapixels in one request, more than 100" in answer.text) == (413, True)
        assert client.post("/base64", json={"data": items[:1]}).status_code == 200


def test_connections_are_cut_off_where_nothing_moves() -> None:
    """Waiting for a request, or for a client to read, for too long; not while the service itself works."""
    cut: list[str] = []

    def connection(name: str, unsent: int, cycle: Any) -> Any:
        transport = SimpleNamespace(get_write_buffer_size=lambda: unsent, abort=lambda: cut.append(name))
        return type("Connection", (), {"cycle": cycle, "transport": transport})()

    working = SimpleNamespace(response_complete=False)
    held = {connection("silent", 0, None), connection("stuck", 9, working), connection("working", 0, working)}
    server: Any = SimpleNamespace(server_state=SimpleNamespace(connections=held))

    async def watch() -> None:
        looking = worker.Connections(server, 0.05)
        looking.look()
        assert not cut
        await asyncio.sleep(0.1)
        looking.look()

    asyncio.run(watch())
    assert sorted(cut) == ["silent", "stuck"]
