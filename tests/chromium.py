"""A real browser that watches its pages: what they load, and what they complain of."""

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
Visit = Callable[..., Page]

HAND_OVER = """([kind, name, content]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name, {type: "image/jpeg"}));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
    : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""

CONTRAST = """() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const found = parse(getComputedStyle(node).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter(node => node.checkVisibility() &&
    node.tagName !== "METER" && [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  return texts.map(node => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    return [node.textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}"""


def hand_over(page: Page, kind: str, file: dict[str, Any]) -> None:
    """Drop or paste a file, as a browser tells a page of it."""
    page.evaluate(HAND_OVER, [kind, file["name"], base64.b64encode(file["buffer"]).decode()])


@contextmanager
def visits(browser: Browser, address: str) -> Iterator[Visit]:
    """Open pages, each in a fresh context; no request may leave the server, nothing may be complained of."""
    contexts, asked, said = [], [], []

    def open_page(path: str, **options: Any) -> Page:
        context = browser.new_context(**{"reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(5000)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith((f"{address}/", "data:image/"))] == []
    # Chromium itself notes every answer of 4xx and every broken connection.
    assert [text for text in said if not text.startswith("Failed to load resource")] == []
