"""Requests that are turned away before a protocol sees them, each in the shape of its path's protocol."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bento.accept import wants_page
from bento.guard import guarded
from bento.refusals import Busy
from bento.render import page
from bento.sentences import KINDS, SLOW, STATUSES, too_large

PLAIN = ("", "base64", "classify", "v2", "similar")  # paths whose errors are {"error": …}
PAGES = ("/classify/", "/similar/")
TYPES = {
    404: "ResourceNotFoundException",
    408: "RequestTimeoutException",
    413: "PayloadTooLargeException",
    503: "ServiceUnavailableException",
}


@dataclass(eq=False)
class Turned(Exception):
    """A request that is not taken: the status, what a program is told, and what a person is."""

    status: int
    message: str
    sentence: str
    ends: bool = False  # the connection: what is still sent is not read and forgotten, which lets a client see this


def nowhere() -> Turned:
    """Return the refusal of a path that nothing has."""
    return Turned(404, "Requested resource is not found, please refer to API document.", STATUSES[404])


def large(limit: int, ends: bool = False) -> Turned:
    """Return the refusal of a body of more than `limit` bytes."""
    return Turned(413, f"The body is larger than {limit / 2**20:g} MB", too_large(limit), ends)


def slow(limit: float) -> Turned:
    """Return the refusal of a body that did not come in time."""
    return Turned(408, f"The body did not come within {limit:g} s and a second for every 64 KB", SLOW, ends=True)


def busy(message: str) -> Turned:
    """Return the refusal of whom nobody can answer now."""
    return Turned(503, message, KINDS[Busy])


def of_a_person(scope: Scope) -> bool:
    """Tell whether a request comes from a page in a browser."""
    path: str = scope["path"]
    return path.startswith(PAGES) and wants_page(Headers(scope=scope))


async def away(turned: Turned, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that is not taken."""
    person = of_a_person(scope)
    answer = for_a_person(turned, scope["path"]) if person else for_a_program(turned, scope["path"])
    if turned.ends:
        answer.headers["Connection"] = "close"
    await answer(scope, receive, guarded(send) if scope["path"].startswith(PAGES) else send)


def for_a_person(turned: Turned, path: str) -> Response:
    """Return the refusal as a page."""
    return page("refused.html", {"problem": turned.sentence, "back": path}, turned.status, "no-store")


def for_a_program(turned: Turned, path: str) -> Response:
    """Return the refusal as JSON."""
    if path.lstrip("/").partition("/")[0] in PLAIN:
        return JSONResponse({"error": turned.message}, turned.status)
    theirs = {"code": turned.status, "type": TYPES[turned.status], "message": turned.message}
    return JSONResponse(theirs, turned.status)
