"""Similar artworks over HTTP: what is asked in every form, and how it is refused."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from bento.desk import Desk
from bento.settings import settings
from stages.index.conditional.where import among
from tests.artworks import CULTURES, artworks, collection, draw
from tests.conftest import encoded
from tests.services import in_process
from tests.web import Web, web

COUNT = 45
SETTINGS = replace(settings(), threads=1, max_results=20, max_body_mb=1, url_timeout=1.0)
WHERE = "/similar/mosaic"
PICTURE = encoded(draw(900, "french", "paintings"), "PNG")
THINGS = artworks(COUNT)


def answer(path: str) -> Iterator[bytes]:
    body = PICTURE if path == "/picture" else b"only text"
    yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("indexes") / "mosaic", THINGS)


@pytest.fixture(scope="module")
def pictures() -> Iterator[Web]:
    with web(answer) as found:
        yield found


@pytest.fixture(scope="module")
def desk(index: Path, pictures: Web) -> Desk:
    return Desk(replace(SETTINGS, url_hosts=[f"127.0.0.1:{pictures.port}"]), index, [], [index])


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with in_process(desk) as found:
        yield found


def rows(answer: Any) -> list[str]:
    """Return the ids that were answered, the best first."""
    assert answer.status_code == 200, answer.text
    scores = [score for _, score in answer.json()["results"]]
    assert scores == sorted(scores, reverse=True)
    return [metadata["id"] for metadata, _ in answer.json()["results"]]


def expected(desk: Desk, n: int, **kept: Any) -> list[str]:
    """Return what an exhaustive search finds for PICTURE."""
    gallery = desk.galleries["mosaic"]
    vectors = np.stack([gallery.vector(encoded(image)) for _, image in THINGS]).astype(np.float64)
    scores = vectors @ gallery.vector(PICTURE).astype(np.float64)
    order = sorted(range(COUNT), key=lambda row: (-scores[row], row))
    return [f"m{row}" for row in order if all(THINGS[row][0][name] in names for name, names in kept.items())][:n]


def test_a_picture_sent_in_any_form_finds_the_same(client: TestClient, desk: Desk, pictures: Web) -> None:
    at = f"http://127.0.0.1:{pictures.port}/picture"
    form = {"picture": ("a.png", PICTURE, "image/png")}
    answers = [
        client.post(WHERE, content=PICTURE),
        client.put("/similar", content=PICTURE),
        client.post(WHERE, content=PICTURE, headers={"Content-Type": "application/x-www-form-urlencoded"}),
        client.post(WHERE, files=form),
        client.post(WHERE, files={"anything": ("b", PICTURE)}, data={"n": "10", "id": ""}),
        client.get(WHERE, params={"url": at}),
        client.post(WHERE, json={"url": at, "n": 10}),
        client.post(WHERE, data={"url": at}),
        client.post(
            WHERE, content=json.dumps({"url": at}), headers={"Content-Type": "application/x-www-form-urlencoded"}
        ),
    ]
    for found in answers:
        assert rows(found) == expected(desk, 10)
        assert found.headers["Cache-Control"] == "no-store"
    metadata, score = answers[0].json()["results"][0]
    assert metadata == THINGS[int(metadata["id"][1:])][0]
    assert list(metadata) == list(THINGS[0][0]), "the columns as published"
    assert 0.9 < score <= 1 + 1e-6


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("culture=japanese", {"Culture": ["japanese"]}),
        ("CULTURE=Japanese&culture=dutch", {"Culture": ["japanese", "Dutch"]}),
        ("culture=dutch&classification=prints", {"Culture": ["Dutch"], "Classification": ["prints"]}),
        ("not.culture=french", {"Culture": ["japanese", "Dutch"]}),
        ("not.culture=french&not.culture=Dutch", {"Culture": ["japanese"]}),
        ("museum=east", {"Museum": ["East"]}),
        ("is.id=m3&is.id=m4", {"id": ["m3", "m4"]}),
        ("query=musical+instruments", {"Classification": ["musical instruments"]}),
        ("query=prints&query=dutch", {"Culture": ["Dutch"], "Classification": ["prints"]}),
        ("culture=&n=", {}),
    ],
)
def test_filters_are_of_any_column_in_any_case(
    query: str, kept: dict[str, Any], client: TestClient, desk: Desk
) -> None:
    wanted = expected(desk, 10, **kept)
    assert rows(client.post(f"{WHERE}?{query}", content=PICTURE)) == wanted
    fields: dict[str, list[str]] = {}
    for pair in query.replace("+", " ").split("&"):
        name, _, value = pair.partition("=")
        fields.setdefault(name, []).append(value)
    assert rows(client.post(WHERE, files={"picture": ("a.png", PICTURE)}, data=fields)) == wanted
    if "" not in [value for values in fields.values() for value in values]:
        of_json = {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
        near = client.get(f"{WHERE}?id=m5&n=20&{query}")
        assert rows(client.post(WHERE, json={"id": "m5", "n": 20, **of_json})) == rows(near)
        assert {json.dumps(row) for row, _ in near.json()["results"]} <= {
            json.dumps(row) for row, _ in THINGS if all(row[name] in names for name, names in kept.items())
        }


def test_the_published_query_is_a_label_or_columns_with_labels(client: TestClient) -> None:
    for query in ({"Culture": "dutch"}, {"culture": ["Dutch"]}, "DUTCH", ["dutch"]):
        found = client.post(WHERE, json={"id": "m0", "query": query, "n": 20})
        assert {row["Culture"] for row, _ in found.json()["results"]} == {"Dutch"}
        assert len(found.json()["results"]) == 15
    both = client.post(WHERE, json={"id": "m0", "query": {"Culture": ["dutch", "french"], "Museum": "east"}, "n": 20})
    assert {(row["Culture"], row["Museum"]) for row, _ in both.json()["results"]} == {
        ("Dutch", "East"),
        ("french", "East"),
    }


def test_an_artwork_is_not_similar_to_itself(client: TestClient, desk: Desk) -> None:
    index = desk.galleries["mosaic"].collection.index
    found = client.get(WHERE, params={"id": "m7", "n": 20})
    wanted = [row for row in index.query(index.vector(7), 21).ids[0].tolist() if row != 7]
    assert rows(found) == [f"m{row}" for row in wanted]
    only = client.get(WHERE, params={"id": "m7", "is.id": "m7"})
    assert only.json() == {"results": []}
    without = index.query(index.vector(7), 20, among("Culture", ["french"])).ids[0].tolist()
    assert 7 not in without
    assert rows(client.get(WHERE, params={"id": "m7", "n": 15, "culture": "french"})) == [f"m{row}" for row in without]


def test_n_is_answered_and_bounded(client: TestClient) -> None:
    for n in (1, 3, 20):
        assert len(rows(client.post(f"{WHERE}?n={n}", content=PICTURE))) == n
    assert len(rows(client.post(WHERE, content=PICTURE))) == 10
    assert len(rows(client.post(f"{WHERE}?n=20&culture=dutch&museum=east", content=PICTURE))) < 20


def test_no_more_are_answered_than_allowed_where_n_is_not_said(index: Path) -> None:
    with in_process(Desk(replace(SETTINGS, max_results=4), index, [], [index])) as client:
        assert len(rows(client.get(f"{WHERE}?id=m1"))) == 4
        for words in ("", "?id=m1"):
            page = client.get(f"{WHERE}{words}", headers={"Accept": "text/html"}).text
            assert page.count('class="plate"') == 4


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "no picture: say url= or id=, or send one"),
    ({"params": {"id": "m1", "url": "http://a.example/"}}, 400, "url and id: say one of them"),
    ({"content": PICTURE, "params": {"id": "m1"}}, 400, "id and a picture: say one of them"),
    ({"params": {"id": ["m1", "m2"]}}, 400, "id: given twice"),
    ({"params": {"id": "m99"}}, 404, "id: 'm99' is none of the 45 pictures of mosaic"),
    *[({"params": {"id": "m1", "n": n}}, 400, f"n: '{n}' is not a whole number from 1 to 20")
      for n in ("0", "21", "-1", "1.5", "ten", "٣", "1e1", "99999999999999999999"[:20])],
    ({"params": {"id": "m1", "culture": "japanes"}}, 400, "Culture: unknown label 'japanes'; did you mean japanese?"),
    ({"params": {"id": "m1", "culture": "DUTCHY"}}, 400, "did you mean Dutch?"),
    ({"params": {"id": "m1", "not.culture": "xyz"}}, 400, "'xyz'; allowed: Dutch, french, japanese"),
    ({"params": {"id": "m1", "cultur": "japanese"}}, 400, "unknown column 'cultur'; did you mean Culture?"),
    ({"params": {"id": "m1", "query": "print"}}, 400, "query: unknown label 'print'; did you mean prints?"),
    ({"params": {"id": "m1", "culture": "x" * 1001}}, 400, "culture: longer than 1000 characters"),
    ({"content": b"plain text"}, 415, "not one of JPEG"),
    ({"content": PICTURE[:-30]}, 400, "broken PNG"),
    ({"content": bytes(2**20 + 1)}, 413, "larger than 1 MB"),
    ({"content": b"{"}, 400, "the body is not JSON"),
    ({"content": b"[1]", "headers": {"Content-Type": "application/json"}}, 400, "the body: send an object"),
    ({"json": {"id": "m1", "n": 2.5}}, 400, "n: must be a string or a whole number"),
    ({"json": {"id": "m1", "n": True}}, 400, "n: must be a string or a whole number"),
    ({"json": {"id": "m1", "culture": 3}}, 400, "culture: must be a string or a list of strings"),
    ({"json": {"id": "m1", "query": {"culture": {"a": 1}}}}, 400, "culture: must be a string or a list"),
    ({"json": {"id": "m1", **{f"column {n}": "x" for n in range(500)}}}, 400, "more than 500 names and values"),
    ({"json": {"id": "m1", "culture": ["dutch"] * 500}}, 400, "more than 500 names and values"),
    ({"params": {"id": "m1", **{f"column {n}": "x" for n in range(499)}}}, 400, "unknown column 'column 0'"),
    ({"content": rb'{"id": "m1", "\ud800": 3}'}, 400, "half of a character"),
    ({"content": rb'{"url": "http://\ud800/"}'}, 400, "half of a character"),
    ({"json": {"url": "http://127.0.0.1/"}}, 400, "url: 127.0.0.1 is not a public host"),
    ({"json": {"url": "file:///etc/passwd"}}, 400, "url: not of the form http(s)://host/path"),
    ({"params": {"url": "http://169.254.169.254/latest/meta-data/"}}, 400, "url: 169.254.169.254 is not a public host"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "status", "words"), REFUSED)
def test_errors_say_what_is_wrong(request_: dict[str, Any], status: int, words: str, client: TestClient) -> None:
    found = client.post(WHERE, **request_)
    assert (found.status_code, list(found.json())) == (status, ["error"])
    assert words in found.json()["error"]
    if not {"content", "json"} & set(request_):
        assert client.get(WHERE, **request_).json() == found.json()


def test_a_url_that_leads_to_no_picture_is_refused(client: TestClient, pictures: Web) -> None:
    found = client.get(WHERE, params={"url": f"http://127.0.0.1:{pictures.port}/text"})
    assert found.status_code == 400
    assert found.json()["error"].startswith("url: leads to no picture that can be read: not one of JPEG")


@pytest.mark.parametrize("query", [{"culture": "xyz"}, {"xyz": "1"}, {"query": "xyz"}, {"n": "0"}])
def test_a_filter_is_checked_before_anything_is_fetched(
    query: dict[str, str], client: TestClient, pictures: Web
) -> None:
    before = pictures.connections
    url = f"http://127.0.0.1:{pictures.port}/picture"
    assert client.get(WHERE, params={"url": url} | query).status_code == 400
    assert pictures.connections == before


def test_what_is_not_there_is_named(client: TestClient) -> None:
    assert client.get("/similar/other?id=m1").json() == {"error": "Index not found: other. There are: mosaic"}
    thumbs = [f"{WHERE}/thumb?row={row}" for row in (45, "x", "-1", "", "9" * 5000)]
    for path in (*thumbs, f"{WHERE}/nowhere", "/similar/"):
        found = client.get(path)
        assert (found.status_code, list(found.json())) == (404, ["error"]), path
    assert client.delete(WHERE).status_code == 405


def test_without_a_name_the_only_index_answers(index: Path, client: TestClient) -> None:
    assert client.get("/similar?id=m1").json() == client.get(f"{WHERE}?id=m1").json()
    several = Desk(SETTINGS, index, [], [index])
    several.galleries["second"] = several.galleries["mosaic"]
    with in_process(several) as both:
        assert both.get("/similar?id=m1").json() == {
            "error": "index: not chosen; there are /similar/mosaic, /similar/second"
        }
    with in_process(Desk(SETTINGS, index, [])) as none:
        found = none.get("/similar?id=m1")
        assert (found.status_code, found.json()) == (404, {"error": "no index is served"})


def test_a_thumbnail_is_the_collections(client: TestClient, desk: Desk) -> None:
    found = client.get(f"{WHERE}/thumb?row=3")
    assert found.content == desk.galleries["mosaic"].collection.thumbnail(3)
    assert (found.headers["Content-Type"], found.headers["Cache-Control"]) == ("image/jpeg", "no-cache")


def test_other_sites_may_ask_where_they_are_allowed_to(client: TestClient, index: Path) -> None:
    origin = {"Origin": "https://museum.example"}
    ask = origin | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for found in (client.get(f"{WHERE}?id=m1", headers=origin), client.get(WHERE, headers=origin),
                  client.post(WHERE, content=bytes(2**20 + 1), headers=origin)):  # fmt: skip
        assert found.headers["Access-Control-Allow-Origin"] == "*"
    preflight = client.options(WHERE, headers=ask)
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Origin" not in client.get("/models", headers=origin).headers
    for origins, allowed in (([], None), (["https://museum.example"], "https://museum.example"), (["https://b"], None)):
        with in_process(Desk(replace(SETTINGS, cors=origins), index, [], [index])) as some:
            found = some.get(f"{WHERE}?id=m1", headers=origin)
            assert found.headers.get("Access-Control-Allow-Origin") == allowed
            assert some.options(WHERE, headers=ask).status_code == (200 if allowed else 400)


def test_fetching_takes_no_place_among_the_predictions(index: Path) -> None:
    """While as many pictures as may be are slowly fetched, searches are answered; one more fetch is turned away."""

    def slow(_: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        yield from iter(lambda: asyncio.run(asyncio.sleep(0.05)) or b"X: y\r\n", b"")

    with web(slow) as server:
        here = f"127.0.0.1:{server.port}"
        desk = Desk(replace(SETTINGS, max_url_fetches=2, queue=1, url_hosts=[here]), index, [], [index])
        with in_process(desk) as client:
            threads = [
                threading.Thread(target=client.get, args=(f"{WHERE}?url=http://{here}/{number}",))
                for number in range(2)
            ]
            for thread in threads:
                thread.start()
            while server.connections < 2:
                pass
            assert client.get(f"{WHERE}?id=m1").status_code == 200
            busy = client.get(f"{WHERE}?url=http://{here}/3")
            assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
            assert busy.json() == {"error": "2 pictures are being fetched already"}
            for thread in threads:
                thread.join()


def test_only_labels_that_exist_are_offered() -> None:
    assert {row["Culture"] for row, _ in THINGS} == set(CULTURES)
