"""A protocol as an application of its own, whose errors are `{"error": …}`."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from bento.encoding import Bloated, Damaged, Unknown
from bento.refusals import Busy, NotThere
from bento.remote import Unfetchable
from bento.tensors import Malformed
from stages.core.image import NotAPicture, TooLarge, Undecodable
from stages.index.conditional.where import UnknownColumn, UnknownLabel


def failure(code: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error."""
    return JSONResponse({"error": message}, code, headers)


async def failed(_: Request, error: Exception) -> Response:
    """Answer an error that says itself what is wrong."""
    if isinstance(error, Busy):
        return failure(503, str(error), {"Retry-After": str(error.after)})
    if isinstance(error, HTTPException):
        return failure(error.status_code, str(error.detail), dict(error.headers or {}))
    if isinstance(error, NotThere):
        return failure(404, error.message)
    code = next(code for kind, code in CODES.items() if isinstance(error, kind))
    return failure(code, str(error))


async def broken(_: Request, __: Exception) -> Response:
    """Answer 500 without telling what went wrong inside; the log does."""
    return failure(500, "inference failed")


CODES: dict[type[Exception], int] = {
    Malformed: 400,
    Unfetchable: 400,
    UnknownColumn: 400,
    UnknownLabel: 400,
    Bloated: 413,
    Damaged: 400,
    Unknown: 415,
    NotAPicture: 415,
    TooLarge: 413,
    Undecodable: 400,
}
KNOWN = (Busy, HTTPException, NotThere, *CODES)
Handlers = dict[Any, Callable[[Request, Exception], Awaitable[Response]]]
ERRORS: Handlers = {**dict.fromkeys(KNOWN, failed), 500: broken}


class Protocol(BaseRoute):
    """Everything under a prefix, even what is nobody's there; elsewhere only what a route takes, method and all."""

    def __init__(self, prefix: str, routes: list[Route], errors: Handlers = ERRORS) -> None:
        self.prefix = prefix
        self.elsewhere = [route for route in routes if not self.below(route.path)]
        self.inner = Starlette(routes=routes, exception_handlers=errors)
        self.inner.router.redirect_slashes = False

    def below(self, path: str) -> bool:
        """Tell whether a path is the prefix or below it."""
        return path == self.prefix or path.startswith(self.prefix.rstrip("/") + "/")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what is this protocol's."""
        ours = self.below(scope["path"]) or any(route.matches(scope)[0] == Match.FULL for route in self.elsewhere)
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; the worker's desk is the outer application's."""
        self.inner.state = scope["app"].state
        await self.inner(scope, receive, send)
