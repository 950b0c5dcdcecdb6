"""The page of a collection in a real browser: what people do with it, and what it must never do."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from bento.desk import Desk
from bento.settings import settings
from tests.artworks import artworks, collection, draw
from tests.chromium import CHROMIUM, CONTRAST, Visit, hand_over, visits
from tests.conftest import encoded
from tests.services import listening
from tests.web import web

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")

COUNT, WHERE = 45, "/similar/mosaic"
FILE = {"name": "a.png", "mimeType": "image/png", "buffer": encoded(draw(900, "french", "paintings"))}
SECOND = {"name": "b.png", "mimeType": "image/png", "buffer": encoded(draw(901, "Dutch", "prints"))}
TEXT = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"only text"}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def picture() -> Iterator[str]:
    """Serve a picture, and return its address."""

    def answer(_: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(FILE["buffer"]) + FILE["buffer"]

    with web(answer) as found:
        yield f"http://127.0.0.1:{found.port}/a.png"


@pytest.fixture(scope="module")
def address(picture: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    index = collection(tmp_path_factory.mktemp("indexes") / "mosaic", artworks(COUNT))
    own = replace(settings(), threads=1, url_hosts=[urlsplit(picture).netloc])
    with listening(Desk(own, index, [], [index])) as found:
        yield f"http://{found}"


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    with visits(browser, address) as open_page:
        yield lambda words="", **options: open_page(WHERE + words, **options)


def wall(page: Page) -> Any:
    return page.locator(".wall a")


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def choose(page: Page, facet: str, *labels: str) -> None:
    """Open a column's labels and choose some."""
    page.locator("summary", has_text=facet).click()
    for label in labels:
        labelled(page, label).check()


def labelled(page: Page, label: str) -> Any:
    return page.get_by_role("checkbox", name=re.compile(f"^{label}"))


def loaded(page: Page) -> None:
    """Wait until every picture that is in view is there."""
    page.wait_for_function("[...document.images].every(image => image.loading === 'lazy' || image.naturalWidth)")
    expect(wall(page).first.locator("img")).to_be_visible()
    page.wait_for_function("document.querySelector('.wall img').naturalWidth > 0")


def test_the_collection_hangs_before_anything_is_asked(visit: Visit) -> None:
    page = visit()
    expect(wall(page)).to_have_count(24)
    loaded(page)
    expect(page.locator("#count")).to_have_text("24 of 45 artworks: choose one to see what is similar to it.")
    expect(wall(page).first).to_contain_text("Piece <0>")
    page.get_by_role("link", name="Show more").click()
    expect(wall(page)).to_have_count(COUNT)
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False])
def test_one_click_leads_to_what_is_similar_and_back(scripts: bool, visit: Visit) -> None:
    page = visit(java_script_enabled=scripts)
    first = wall(page).nth(1)
    title = first.locator("strong").inner_text()
    first.click()
    expect(page.locator(".subject h2")).to_have_text(title)
    assert page.title() == f"Similar to {title} · mosaic · Bestiary"
    expect(page.locator("dl")).to_contain_text("Museum")
    assert "images/" not in page.locator("dl").inner_text()
    expect(wall(page)).to_have_count(24)
    scores = [float(text.split()[-1]) for text in page.locator(".score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert title not in page.locator(".wall strong").all_inner_texts(), "not similar to itself"
    here = page.url
    wall(page).nth(2).click()
    expect(page.locator(".subject h2")).not_to_have_text(title)
    page.go_back()
    expect(page.locator(".subject h2")).to_have_text(title)
    assert page.url == here
    page.go_back()
    expect(page.locator(".subject")).to_have_count(0)
    expect(wall(page)).to_have_count(24)


def test_an_address_shows_the_same_to_everybody(visit: Visit) -> None:
    page = visit("?id=m4&CULTURE=japanese&n=7&not.museum=East")
    expect(wall(page)).to_have_count(7)
    expect(page.locator("#chosen-0")).to_have_text("japanese")
    expect(page.locator(".chip")).to_contain_text("not Museum: East")
    shown = page.locator(".wall").inner_text()
    fresh = visit(urlsplit(page.url).query and f"?{urlsplit(page.url).query}", java_script_enabled=False)
    assert fresh.locator(".wall").inner_text() == shown
    page.locator(".chip").click()
    expect(page.locator(".chip")).to_have_count(0)
    assert query(page) == {"id": ["m4"], "Culture": ["japanese"], "n": ["7"]}


def test_cultures_and_media_are_chosen_from_what_exists(visit: Visit) -> None:
    page = visit("?id=m4")
    page.locator("summary", has_text="Culture").click()
    assert page.locator(".facet").first.locator("label").all_inner_texts() == [
        "Dutch\n15",
        "french\n15",
        "japanese\n15",
    ]
    page.keyboard.press("Escape")
    expect(labelled(page, "Dutch")).to_be_hidden()
    choose(page, "Culture", "Dutch", "japanese")
    expect(page.locator("#chosen-0")).to_have_text("Dutch or japanese")
    expect(page.locator("#count")).to_contain_text("of 30 artworks with these filters")
    assert query(page) == {"id": ["m4"], "Culture": ["Dutch", "japanese"]}
    expect(labelled(page, "Dutch")).to_be_visible()
    page.locator("h1").click()
    expect(labelled(page, "Dutch")).to_be_hidden()
    choose(page, "Classification", "prints")
    expect(page.locator("#count")).to_contain_text("of 10 artworks with these filters")
    page.go_back()
    expect(page.locator("#count")).to_contain_text("of 30 artworks")
    expect(labelled(page, "prints")).not_to_be_checked()
    page.get_by_role("link", name="Without any filter").click()
    expect(page.locator("#chosen-0")).to_have_text("any")
    assert query(page) == {"id": ["m4"]}


def test_a_rare_label_stays_no_longer_than_it_is_chosen(browser: Browser, tmp_path: Path) -> None:
    """It is offered only where it is chosen, so the page without it says nothing of it."""
    things = artworks(150)
    for number, (row, _) in enumerate(things):
        row["Culture"] = f"c{number}" if number > 20 else "often"
    desk = Desk(replace(settings(), threads=1), tmp_path, [], [collection(tmp_path / "mosaic", things)])
    with listening(desk) as address, visits(browser, f"http://{address}") as open_page:
        page = open_page(f"{WHERE}?culture=c99")
        page.get_by_role("link", name="Without any filter").click()
        expect(page.locator("#chosen-0")).to_have_text("any")
        choose(page, "Culture", "often")
        expect(page.locator("#chosen-0")).to_have_text("often")
        assert query(page) == {"Culture": ["often"]}


def test_a_chosen_file_is_compared_and_stays_while_filters_change(visit: Visit) -> None:
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.locator("label[for=picture]").click()
    chooser.value.set_files(FILE)
    expect(page.locator(".subject h2")).to_have_text("a.png")
    expect(wall(page).first).to_contain_text("french")
    assert page.locator(".subject img").evaluate("image => image.naturalWidth") == 120
    choose(page, "Culture", "Dutch")
    expect(page.locator("#count")).to_contain_text("of 15 artworks with these filters")
    expect(page.locator(".subject h2")).to_have_text("a.png")
    page.locator("h1").click()
    wall(page).first.click()
    expect(page.locator("dl")).to_contain_text("Dutch")
    page.go_back()
    expect(page.locator(".subject h2")).to_have_text("a.png")
    page.go_back()
    expect(page.locator("#chosen-0")).to_have_text("any")
    expect(page.locator(".subject h2")).to_have_text("a.png")
    page.get_by_role("link", name="Show more").click()
    expect(wall(page)).to_have_count(COUNT)
    expect(page.locator(".subject h2")).to_have_text("a.png")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(kind: str, visit: Visit) -> None:
    page = visit("?id=m4")
    if kind == "drop":
        hand_over(page, "dragover", FILE)
        expect(page.locator("html")).to_have_class(re.compile("dropping"))
    hand_over(page, kind, FILE)
    expect(page.locator(".subject h2")).to_have_text("a.png")
    assert "id" not in query(page)
    hand_over(page, kind, SECOND)
    expect(page.locator(".subject h2")).to_have_text("b.png")
    page.go_back()
    expect(page.locator(".subject h2")).to_have_text("a.png")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_picture_at_an_address_is_compared(scripts: bool, picture: str, visit: Visit) -> None:
    page = visit("?id=m4", java_script_enabled=scripts)
    page.get_by_label("or the address of one").fill(picture)
    page.keyboard.press("Enter")
    expect(page.locator(".subject .hint")).to_have_text(picture)
    expect(wall(page).first).to_contain_text("french")
    assert query(page) == {"url": [picture]}
    wall(page).first.click()
    expect(page.locator("dl")).to_contain_text("french")
    expect(page.get_by_label("or the address of one")).to_have_value("")


def test_without_scripts_a_form_is_enough(visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    expect(page.get_by_text("drop it")).to_be_hidden()
    choose(page, "Culture", "Dutch")
    page.get_by_role("button", name="Find similar ones").click()
    assert query(page) == {"Culture": ["Dutch"]}
    expect(wall(page)).to_have_count(15)
    page.locator("#picture").set_input_files(FILE)
    page.get_by_role("button", name="Find similar ones").click()
    expect(page.locator(".subject h2")).to_have_text("a.png")
    expect(page.locator("#count")).to_contain_text("of 15 artworks with these filters")
    page.locator("#picture").set_input_files(TEXT)
    page.get_by_role("button", name="Find similar ones").click()
    expect(page.get_by_role("alert")).to_contain_text("“notes.jpg” is not a picture that can be read here.")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("?id=m99", "This collection has no such picture."),
        ("?culture=dutsch", "Culture: unknown label 'dutsch'; did you mean Dutch?."),
        ("?url=http://127.0.0.1/a.jpg", "That address gives no picture (127.0.0.1 is not a public host)."),
        ("?n=1000", "N: '1000' is not a whole number from 1 to 100."),
    ],
)
def test_what_is_wrong_is_said_and_the_way_on_stays(words: str, problem: str, visit: Visit) -> None:
    page = visit(words)
    expect(page.get_by_role("alert")).to_contain_text(problem)
    page.get_by_role("link", name="The whole collection").click()
    expect(wall(page)).to_have_count(24)
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text(problem)
    hand_over(page, "drop", FILE)
    expect(page.locator(".subject h2")).to_have_text("a.png")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_lost_connection_and_a_large_file_are_said(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.route("**/similar/*", lambda route: route.abort("connectionreset"))
    hand_over(page, "drop", FILE)
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
    page.unroute("**/similar/*")
    large = tmp_path / "large.jpg"
    with large.open("wb") as opened:
        opened.truncate(16 * 2**20 + 1)
    page.locator("#picture").set_input_files(large)
    expect(page.get_by_role("alert")).to_contain_text("The file is larger than 16 MB.")
    hand_over(page, "drop", FILE)
    expect(page.locator(".subject h2")).to_have_text("a.png")


def test_it_fits_a_phone(visit: Visit) -> None:
    page = visit("?id=m4", **PHONE)
    loaded(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    lefts = {round(wall(page).nth(number).bounding_box()["x"]) for number in range(4)}  # type: ignore[index]
    assert len(lefts) == 2, "two side by side"
    page.locator("summary", has_text="Classification").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    labelled(page, "prints").check()
    expect(page.locator("#count")).to_contain_text("of 15 artworks with these filters")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_the_dark(scheme: str, visit: Visit) -> None:
    page = visit("?id=m4&not.museum=East", color_scheme=scheme)
    loaded(page)
    page.locator("summary").first.click()
    found = page.evaluate(CONTRAST)
    assert len(found) > 60
    assert [item for item in found if item[1] < 4.5] == []


def test_everything_has_a_name_and_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit()
    assert page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden])')].every(input => input.labels.length === 1)"
    )
    seen: list[str] = []
    tell: Callable[[], str] = lambda: page.evaluate(  # noqa: E731
        "document.activeElement.id || document.activeElement.tagName + document.activeElement.className"
    )
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(tell())
        if seen[-1] == "SUMMARY":
            break
    assert {"picture", "url"} <= set(seen)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#count")).to_contain_text("15 of 15 artworks with these filters")
    assert tell() == "f0-0", "the focus stays where it was"
    page.keyboard.press("Escape")
    assert tell() == "SUMMARY"
    page.locator(".wall a").first.focus()
    assert page.locator(".wall a").first.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".subject")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(
        "The 14 most similar of 15 artworks with these filters, the best first."
    )
