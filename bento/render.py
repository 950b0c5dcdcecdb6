"""Templates and static files: `pages/` as responses."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

FOLDER = Path(__file__).with_name("pages")
KINDS = {
    "page.css": "text/css",
    "wall.css": "text/css",
    "pick.js": "text/javascript",
    "classify.js": "text/javascript",
    "similar.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
NAMED = 3  # labels that are named before "and 117 more"


@dataclass(frozen=True)
class Asset:
    """A file for browsers that is named by its content, so that it may be kept for ever."""

    content: bytes
    kind: str

    @property
    def tag(self) -> str:
        """What the query must say for the file to be kept."""
        return hashlib.sha256(self.content).hexdigest()[:8]

    def respond(self, request: Request) -> Response:
        """Answer the file."""
        named = request.query_params.get("v") == self.tag
        kept = "public, max-age=31536000, immutable" if named else "no-cache"
        return Response(self.content, media_type=self.kind, headers={"Cache-Control": kept})


def static(name: str) -> str:
    """Return the address of a static file."""
    return f"/static/{name}?v={ASSETS[name].tag}"


def people(label: str) -> str:
    """Return a label as people write it."""
    return label.replace("_", " ")


def percent(probability: float) -> str:
    """Return a probability in percent; certainty is not claimed by rounding."""
    if 0.9995 <= probability < 1:
        return "> 99.9\N{NO-BREAK SPACE}%"
    return f"{100 * probability:.1f}\N{NO-BREAK SPACE}%"


def listed(labels: list[str], last: str = "and") -> str:
    """Return labels in a sentence, the first few by name."""
    names = [people(label) for label in labels]
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def question(labels: list[str]) -> str:
    """Return what a model is asked."""
    if 2 <= len(labels) <= NAMED:
        asked = listed(labels, "or")
        return f"{asked[:1].upper()}{asked[1:]}?"
    return "What is in your picture?"


def page(template: str, context: Mapping[str, Any], status: int = 200, kept: str = "no-cache") -> Response:
    """Return a rendered page."""
    text = PAGES.get_template(template).render(context)
    return HTMLResponse(text, status, {"Cache-Control": kept})


ASSETS = {name: Asset((FOLDER / name).read_bytes(), kind) for name, kind in KINDS.items()}
PAGES = Environment(
    autoescape=True,
    loader=FileSystemLoader(FOLDER),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.globals["static"] = static
PAGES.filters |= {"people": people, "percent": percent, "listed": listed, "question": question}
