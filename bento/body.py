"""Request bodies: never larger than allowed, whether announced or chunked."""

from dataclasses import dataclass

from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bento.accept import wants_page
from bento.guard import guarded
from bento.render import page
from bento.sentences import too_large

PLAIN = ("", "base64", "v2", "similar")  # paths whose errors are {"error": …}
PAGES = ("/classify/", "/similar/")
PATIENCE = 4  # times the limit: a browser that is still sending sees no answer, so that much is read on


@dataclass(frozen=True)
class Upload:
    """A picture as it was sent, the name of its file and the number of the example asked for, if there are any."""

    data: bytes
    name: str = ""
    example: str | None = None


class BodyLimit:
    """ASGI middleware: reads the body, and answers 413 as soon as it is known to be larger than `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a whole body on as one message."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.limit * (PATIENCE if of_a_person(scope) else 1)
        first = None if announced(scope) > most else await gather(receive, self.limit, most)
        if first is None:
            await refuse(scope, receive, send, self.limit)
        elif first["type"] == "http.request":
            await self.app(scope, replay(first, receive), patient(send))


async def gather(receive: Receive, limit: int, most: int) -> Message | None:
    """Return the whole body as one message (or the client's disconnection), None if it is over the limit.

    Of a body over the limit as much as `most` is read, and forgotten.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            parts.clear()
        more = message.get("more_body", False)
        if size > limit and (size > most or not more):
            return None
        if not more:
            return {"type": "http.request", "body": parts[0] if len(parts) == 1 else b"".join(parts)}


def replay(first: Message, receive: Receive) -> Receive:
    """Return a receive that gives this message first."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def patient(send: Send) -> Send:
    """Return a send that tells every client that is turned away when to come again."""

    async def again(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 503:
            headers = dict(message["headers"])
            message["headers"] = [*({b"retry-after": b"1"} | headers).items()]
        await send(message)

    return again


def announced(scope: Scope) -> int:
    """Return the body's announced length, 0 where there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def of_a_person(scope: Scope) -> bool:
    """Tell whether a request comes from a page in a browser."""
    path: str = scope["path"]
    return path.startswith(PAGES) and wants_page(Headers(scope=scope))


async def refuse(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
    """Answer 413 in the shape of the path's protocol, and close the connection: the rest of the body is not read."""
    pages = scope["path"].startswith(PAGES)
    answer = page_too_large(scope, limit) if of_a_person(scope) else failure_too_large(scope, limit)
    answer.headers["Connection"] = "close"
    await answer(scope, receive, guarded(send) if pages else send)


def page_too_large(scope: Scope, limit: int) -> Response:
    """Return the refusal for a person."""
    return page("refused.html", {"problem": too_large(limit), "back": scope["path"]}, 413, "no-store")


def failure_too_large(scope: Scope, limit: int) -> Response:
    """Return the refusal for a program."""
    message = f"The body is larger than {limit / 2**20:g} MB"
    theirs = {"code": 413, "type": "PayloadTooLargeException", "message": message}
    first = scope["path"].lstrip("/").partition("/")[0]
    plain = first in PLAIN or scope["path"].startswith(PAGES)
    return JSONResponse({"error": message} if plain else theirs, 413)


async def picture(request: Request) -> bytes:
    """Return the picture of a request: its raw body, or the first file of a form."""
    return (await upload(request)).data


async def upload(request: Request) -> Upload:
    """Return what a request sends: its raw body, or the first file of a form and its field `example`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return Upload(await request.body())
    async with request.form(max_files=8, max_fields=8) as form:
        number = form.get("example")
        example = number if number and isinstance(number, str) else None
        for part in form.values():
            if isinstance(part, UploadFile):
                data = await part.read()
                return Upload(data, part.filename or "", None if data else example)
    return Upload(b"", example=example)
