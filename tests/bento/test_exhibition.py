"""The page of a collection as it is sent: what is in it, how large it is, and how it refuses."""

import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bento.desk import Busy, Desk
from bento.guard import POLICY
from bento.render import ASSETS
from bento.settings import indexed, packaged, settings
from tests.artworks import artworks, collection, draw
from tests.conftest import encoded
from tests.services import in_process, mounted

SETTINGS = replace(settings(), threads=1, max_body_mb=1)
WHERE = "/similar/mosaic"
PICTURE = encoded(draw(900, "french", "paintings"), "PNG")
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("indexes") / "mosaic", artworks(45))


@pytest.fixture
def desk(index: Path) -> Desk:
    return Desk(SETTINGS, index, [], [index])


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with in_process(desk) as found:
        found.headers.update(BROWSER)
        yield found


def problem(page: str) -> str:
    """Return what a page says is wrong."""
    found = re.search(r'<p class="problem" role="alert">(.*?)</p>', page)
    assert found, page
    return html.unescape(found[1])


def test_the_page_shows_what_json_says(client: TestClient) -> None:
    words = "?id=m4&culture=japanese&n=5"
    page = client.get(WHERE + words).text
    results = client.get(WHERE + words, headers={"Accept": "application/json"}).json()["results"]
    titles = [html.unescape(title) for title in re.findall(r"<strong>(Piece .*?)</strong>", page)]
    assert titles == [row["Title"] for row, _ in results]
    scores = re.findall(r'class="score"><span class="unseen">similarity </span>([\d.]+)<', page)
    assert scores == [f"{score:.3f}" for _, score in results]
    assert page.count("<h1>") == 1
    assert "Anonymous &amp; Sons" in page
    assert "<4>" not in page, "what is published is not markup"


def test_every_answer_is_guarded_and_a_page_is_not_stored_where_it_was_sent_to(client: TestClient) -> None:
    for path in (WHERE, f"{WHERE}?id=m4", f"{WHERE}?id=nobody", f"{WHERE}/thumb?row=1", "/similar/other", "/similar"):
        for accept in (BROWSER, {"Accept": "*/*"}):
            answer = client.get(path, headers=accept)
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Accept" in answer.headers["Vary"]
    assert client.get(WHERE).headers["Cache-Control"] == "no-cache"
    assert client.post(WHERE, content=PICTURE).headers["Cache-Control"] == "no-store"
    head = client.head(WHERE)
    assert (head.status_code, head.content) == (200, b"")


def test_what_a_page_loads_is_its_own_and_kept(client: TestClient) -> None:
    page = client.get(f"{WHERE}?id=m4").text
    loaded = re.findall(r'(?:src|href)="([^"?]*\?v=[^"]+)"', page)
    assert len(set(loaded)) == 1 + 2 + 2 + 25, "an icon, two styles, two scripts, the artwork and 24 others"
    assert len({address.partition("?")[0] for address in loaded}) == 1 + 2 + 2 + 1, "metrics are kept for every path"
    for address in map(html.unescape, set(loaded)):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable", address
    assert re.findall(r'(?:src|href|action)="(?!/|\?|#|data:image/)([^"]*)"', page) == []
    assert " style=" not in page


@pytest.mark.parametrize("words", ["", "?id=m0", "?id=m0&n=100"])
def test_a_page_is_small(words: str, tmp_path: Path) -> None:
    """With the thirty cultures and eighteen media that were published."""
    things = artworks(200)
    for number, (row, _) in enumerate(things):
        row["Culture"], row["Classification"] = f"culture number {number % 30}", f"musical medium {number % 18}"
    found = collection(tmp_path / "mosaic", things)
    with in_process(Desk(SETTINGS, tmp_path, [], [found])) as client:
        page = client.get(f"{WHERE}{words}", headers=BROWSER)
        assets = sum(
            len(ASSETS[name].content) for name in ("page.css", "wall.css", "pick.js", "similar.js", "icon.svg")
        )
        assert len(page.content) + assets <= (60_000 if "n=" not in words else 90_000)


def test_only_the_largest_labels_are_offered_and_the_chosen_one(tmp_path: Path) -> None:
    things = artworks(150)
    for number, (row, _) in enumerate(things):
        row["Culture"] = "" if number < 5 else f"c{number}" if number > 20 else "often"
    with in_process(Desk(SETTINGS, tmp_path, [], [collection(tmp_path / "mosaic", things)])) as client:
        page = client.get(f"{WHERE}?culture=C99", headers=BROWSER).text
    offered = re.findall(r'name="Culture" value="([^"]*)"( checked)?', page)
    assert offered[0] == ("often", "")
    assert offered[-1] == ("c99", " checked")
    assert len(offered) == 101
    assert "and 29 rarer" in page


def test_a_folder_that_was_renamed_is_served_under_its_new_name(index: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(index, tmp_path / "second"))
    with in_process(Desk(SETTINGS, copy, [], [copy])) as client:
        page = client.get("/similar/second", headers=BROWSER).text
        links = [html.unescape(link) for link in re.findall(r'(?:href|src|action)="(/similar/[^"#]*)', page)]
        assert {client.get(link, headers=BROWSER).status_code for link in links} == {200}


def test_a_form_without_a_picture_becomes_an_address(client: TestClient) -> None:
    fields = {"id": "m4", "n": "", "url": "", "Culture": ["japanese", "Dutch"], "is.id": "m7", "not.Museum": "East"}
    answer = client.post(WHERE, data=fields, files={"picture": ("", b"")}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == (
        "/similar/mosaic?id=m4&Culture=japanese&Culture=Dutch&is.id=m7&not.Museum=East#result"
    )
    answer = client.post(WHERE, data=fields | {"url": "http://a.example/b.jpg"}, follow_redirects=False)
    assert answer.headers["Location"].startswith("/similar/mosaic?url=http%3A%2F%2Fa.example%2Fb.jpg&Culture=")


def test_a_picture_sent_by_a_person_is_answered_with_a_page(client: TestClient) -> None:
    answer = client.post(f"{WHERE}?culture=dutch", files={"picture": ("<a>.png", PICTURE)}, data={"id": "m4", "n": "3"})
    assert answer.status_code == 200
    assert "<h2>&lt;a&gt;.png</h2>" in answer.text
    assert answer.text.count("<li>") == 3
    assert 'src="data:image/jpeg;base64,' in answer.text
    assert answer.text.count("checked") == 1


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (f"{WHERE}?id=m99", 404, "This collection has no such picture. Choose another, or one of your"),
        ("/similar/other", 404, "There is no such collection. Choose one of these."),
        (f"{WHERE}?colour=red", 400, "Unknown column 'colour'"),
        (f"{WHERE}?culture=dutsch", 400, "Culture: unknown label 'dutsch'; did you mean Dutch?"),
        (f"{WHERE}?n=x", 400, "N: 'x' is not a whole number from 1 to 100."),
        (f"{WHERE}?url=ftp://a/", 400, "That address gives no picture (not of the form http(s)://host/path"),
        (f"{WHERE}/nowhere", 404, "There is no such page."),
    ],
)
def test_errors_are_a_sentence(path: str, status: int, sentence: str, client: TestClient) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert sentence in problem(answer.text)
    if path.startswith(f"{WHERE}?"):
        assert 'id="choose"' in answer.text


def test_a_filter_is_taken_away_by_its_link(client: TestClient) -> None:
    page = client.get(f"{WHERE}?id=m44&n=3&not.title=Piece+%3C1%3E&museum=east").text
    assert f'href="{WHERE}?id=m44&amp;Museum=East&amp;n=3"' in page
    assert f'href="{WHERE}?id=m44&amp;not.Title=Piece+%3C1%3E&amp;n=3"' in page


def test_a_page_grows_with_its_filters_not_with_their_square(client: TestClient) -> None:
    page = client.get(f"{WHERE}?id=m44&{'&'.join(f'column{n}=x' for n in range(499))}")
    assert page.status_code == 400
    assert page.text.count('<input type="hidden" name="column') == 499
    assert len(page.content) < 400_000


def test_a_bad_picture_is_a_sentence(client: TestClient) -> None:
    for content, status, sentence in (
        (b"only text", 415, "“a.jpg” is not a picture that can be read here."),
        (PICTURE[:-30], 400, "“a.jpg” is damaged and cannot be read."),
        (bytes(2**20 + 1), 413, "The file is larger than 1 MB."),
    ):
        answer = client.post(WHERE, files={"picture": ("a.jpg", content)})
        assert answer.status_code == status
        assert sentence in problem(answer.text)


def test_a_full_queue_says_so(client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: object) -> None:
        raise Busy("32 requests are waiting already", after=1)

    monkeypatch.setattr(desk, "run", full)
    answer = client.get(f"{WHERE}?id=m4")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "Many pictures are waiting" in problem(answer.text)


def test_the_first_page_leads_to_collections_and_models(index: Path, package: Path, client: TestClient) -> None:
    alone = client.get("/", follow_redirects=False)
    assert (alone.status_code, alone.headers["Location"]) == (307, WHERE)
    with in_process(Desk(SETTINGS, package, ["base_cnn"], [index])) as both:
        page = both.get("/").text
        assert f'href="{WHERE}"' in page
        assert "mosaic, 45 artworks by Culture and Classification" in page
        assert 'href="/classify/base_cnn"' in page
        assert '<a href="/">All there is</a>' in both.get(WHERE, headers=BROWSER).text
        for path in ("/openapi/v2.json", "/openapi/similar.json"):
            assert f'href="{path}"' in page
            assert both.get(path).status_code == 200
    described = client.get("/openapi/similar.json").json()["paths"]["/similar/{index}"]
    assert described["parameters"][0]["schema"] == {"type": "string", "enum": ["mosaic"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_index_alone_is_a_service(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application as BentoML mounts it."""
    from bento import service

    monkeypatch.setattr(service, "INDEXES", index.parent)
    monkeypatch.setattr(service, "FOLDER", index.parent / "none")
    assert (packaged(service.FOLDER), indexed(service.INDEXES)) == ([], ["mosaic"])
    for name in ("mosaic", service.ALL):
        with mounted(getattr(service, name)) as served:
            assert len(served.post(WHERE, content=PICTURE).json()["results"]) == 10
            assert served.get("/readyz").status_code == 200
            preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
            assert served.options(WHERE, headers=preflight).headers["Access-Control-Allow-Origin"] == "*"
            large = served.post(WHERE, content=bytes(2**24 + 1), headers={"Origin": "https://a.example"})
            assert (large.status_code, large.headers["Access-Control-Allow-Origin"]) == (413, "*")
    with pytest.raises(AttributeError, match="no service 'nothing'; there are Bestiary, mosaic"):
        _ = service.nothing
