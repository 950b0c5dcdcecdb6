"""The web page in a real browser: what people do with it, and what it must never do."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from bento.desk import Desk
from bento.settings import settings
from tests.chromium import CHROMIUM, CONTRAST, Visit, hand_over, visits
from tests.conftest import encoded, photo
from tests.services import listening

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")

SETTINGS = replace(settings(), threads=1)
JPEG = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": encoded(photo(200, 150), "JPEG")}
SECOND = {"name": "b.jpg", "mimeType": "image/jpeg", "buffer": encoded(photo(200, 150, 1), "JPEG")}
TEXT = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"only text"}
WHERE = "/classify/base_cnn"


def huge(width: int, height: int) -> bytes:
    """Return a PNG of one colour, without ever holding its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def address(package: Path) -> Iterator[str]:
    """Serve the application on a free port, in a thread."""
    with listening(Desk(SETTINGS, package, ["base_cnn"])) as found:
        yield f"http://{found}"


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    with visits(browser, address) as open_page:
        yield lambda **options: open_page(WHERE, **options)


def test_a_chosen_file_is_classified(visit: Visit) -> None:
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.locator("label[for=picture]").click()
    chooser.value.set_files(JPEG)
    result = page.get_by_role("region", name="Result")
    expect(result.locator(".file")).to_have_text("a.jpg")
    expect(result.get_by_role("heading", level=2)).to_have_text(re.compile("cat|dog|determined"))
    expect(result.get_by_role("meter")).to_have_count(2)
    assert result.get_by_role("img").evaluate("image => image.naturalWidth") == 48
    assert page.title().endswith("base_cnn · Bestiary")
    expect(page.locator("#choose")).to_be_visible()
    expect(page.locator("#status")).to_have_text("")
    page.locator("#picture").set_input_files(SECOND)
    expect(result.locator(".file")).to_have_text("b.jpg")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(kind: str, visit: Visit) -> None:
    page = visit()
    if kind == "drop":
        hand_over(page, "dragover", JPEG)
        expect(page.locator("html")).to_have_class(re.compile("dropping"))
    hand_over(page, kind, JPEG)
    expect(page.locator("#result .file")).to_have_text("a.jpg")
    expect(page.locator("html")).not_to_have_class(re.compile("dropping|busy"))


@pytest.mark.parametrize("scripts", [True, False])
def test_an_example_says_its_published_label(scripts: bool, visit: Visit) -> None:
    page = visit(java_script_enabled=scripts)
    page.locator("#examples button").nth(3).click()
    expect(page.locator("#result .file")).to_have_text("An example, published as dog")
    assert page.url.endswith("#result") != scripts, "with scripts the page stays"


def test_without_scripts_a_form_is_enough(visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    expect(page.get_by_text("drop it")).to_be_hidden()
    for file, shown in ((JPEG, ".file"), (TEXT, ".problem")):
        page.locator("#picture").set_input_files(file)
        page.get_by_role("button", name="Look at it").click()
        expect(page.locator(f"#result {shown}")).to_contain_text(file["name"])
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("alert")).to_have_text("No picture was chosen. Choose one, then try again.")


def large(folder: Path, size: int) -> Path:
    """Return a file of that many bytes."""
    file = folder / "large.jpg"
    with file.open("wb") as opened:
        opened.truncate(size)
    return file


def test_without_scripts_a_large_file_is_refused_with_a_sentence(visit: Visit, tmp_path: Path) -> None:
    page = visit(java_script_enabled=False)
    page.locator("#picture").set_input_files(large(tmp_path, 40 * 2**20))
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("alert")).to_contain_text("The file is larger than 16 MB.")
    page.get_by_role("link", name="Choose another picture").click()
    expect(page.locator("#choose")).to_be_visible()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (TEXT, "“notes.jpg” is not a picture that can be read here. JPEG, PNG and WebP are: choose one of those."),
        (TEXT | {"buffer": huge(10_000, 5_000)}, "“notes.jpg” has more than 25 megapixels. Make it smaller, then"),
        (TEXT | {"buffer": JPEG["buffer"][:-400]}, "“notes.jpg” is damaged and cannot be read."),
        (TEXT | {"buffer": b""}, "“notes.jpg” is not a picture"),
        (TEXT | {"name": "<img src=x onerror=alert(1)>.jpg"}, "“<img src=x onerror=alert(1)>.jpg” is not a picture"),
    ],
    ids=["text", "megapixels", "damaged", "empty", "markup"],
)
def test_what_is_wrong_is_said(file: dict[str, Any], words: str, visit: Visit) -> None:
    page = visit()
    page.locator("#picture").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text(words)
    page.locator("#picture").set_input_files(JPEG)
    expect(page.locator("#result .file")).to_have_text("a.jpg")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_large_file_is_not_even_sent(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.locator("#picture").set_input_files(large(tmp_path, 16 * 2**20 + 1))
    expect(page.get_by_role("alert")).to_contain_text("The file is larger than 16 MB.")
    assert "POST" not in sent


def slowly(page: Page) -> Callable[[], None]:
    """Hold the first answer back; return what lets it go."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held or route.request.method != "POST":
            route.continue_()
        else:
            held.append(route)

    page.route("**/classify/*", hold)
    return lambda: held[0].continue_()


def test_a_second_picture_takes_the_place_of_the_first(visit: Visit) -> None:
    page = visit()
    release = slowly(page)
    hand_over(page, "drop", JPEG)
    expect(page.get_by_role("status")).to_have_text("Looking at a.jpg …")
    expect(page.locator("html")).to_have_class(re.compile("busy"))
    seen = page.evaluate_handle("""() => {
      const seen = [];
      const status = document.getElementById("status");
      const note = () => seen.push(status.textContent, document.querySelectorAll(".problem").length);
      new MutationObserver(note).observe(document.body, {childList: true, subtree: true});
      return seen;
    }""")
    hand_over(page, "drop", SECOND)
    expect(page.locator("#result .file")).to_have_text("b.jpg")
    expect(page.get_by_role("status")).to_have_text("Stopped looking at a.jpg.")
    assert seen.json_value() == ["Stopped looking at a.jpg; looking at b.jpg.", 0, "Stopped looking at a.jpg.", 0]
    release()
    page.wait_for_timeout(100)
    expect(page.locator("#result .file")).to_have_text("b.jpg")


def test_a_lost_connection_is_said(visit: Visit) -> None:
    page = visit()
    page.route("**/classify/*", lambda route: route.abort("connectionreset"))
    page.locator("#picture").set_input_files(JPEG)
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
    page.unroute("**/classify/*")
    page.locator("#picture").set_input_files(JPEG)
    expect(page.locator("#result .file")).to_have_text("a.jpg")


def test_another_servers_error_is_a_sentence_too(visit: Visit) -> None:
    page = visit()
    page.route("**/classify/*", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.locator("#picture").set_input_files(JPEG)
    expect(page.get_by_role("alert")).to_contain_text("Something went wrong here")


def test_it_fits_a_phone(visit: Visit) -> None:
    page = visit(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page.locator("#picture").set_input_files(JPEG | {"name": "long" * 40 + ".jpg"})
    expect(page.locator("#result .card")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_the_dark(scheme: str, visit: Visit) -> None:
    page = visit(color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) > 380) == (scheme == "light")
    page.locator("#picture").set_input_files(JPEG)
    expect(page.locator("#result .card")).to_be_visible()
    found = page.evaluate(CONTRAST)
    page.locator("#picture").set_input_files(TEXT)
    expect(page.get_by_role("alert")).to_be_visible()
    found += page.evaluate(CONTRAST)
    assert len(found) > 20
    assert [item for item in found if item[1] < 4.5] == []


def test_everything_has_a_name_and_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit()
    assert page.evaluate("[...document.querySelectorAll('input')].every(input => input.labels.length === 1)")
    assert page.locator("html").get_attribute("lang") == "en"
    names, examples = [], page.locator("#examples button")
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id || document.activeElement.value"))
        if names[-1] == "1":
            break
    assert "picture" in names
    expect(examples.nth(1)).to_be_focused()
    assert examples.nth(1).evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#result .file")).to_contain_text("An example, published as cat")
    expect(examples.nth(1)).to_be_focused()
    assert page.locator("#result").get_attribute("aria-live") == "polite"
    with page.expect_file_chooser():
        page.locator("#picture").focus()
        page.keyboard.press("Enter")
