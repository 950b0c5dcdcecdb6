"""Request bodies: never larger than allowed, whether announced or chunked."""

import json

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PLAIN = ("", "base64", "v2")  # paths whose errors are {"error": …}


class BodyLimit:
    """ASGI middleware: reads the body, and answers 413 as soon as it is known to be larger than `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a whole body on as one message."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif announced(scope) > self.limit:
            await refuse(scope, send, self.limit)
        else:
            first = await gather(receive, self.limit)
            if first is None:
                await refuse(scope, send, self.limit)
            elif first["type"] == "http.request":
                await self.app(scope, replay(first, receive), patient(send))


async def gather(receive: Receive, limit: int) -> Message | None:
    """Return the whole body as one message (or the client's disconnection), None if it is over the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body", False):
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


async def refuse(scope: Scope, send: Send, limit: int) -> None:
    """Answer 413 in the shape of the path's protocol, and close the connection: the rest of the body is not read."""
    message = f"The body is larger than {limit / 2**20:g} MB"
    theirs = {"code": 413, "type": "PayloadTooLargeException", "message": message}
    first = scope["path"].lstrip("/").partition("/")[0]
    content = json.dumps({"error": message} if first in PLAIN else theirs).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def picture(request: Request) -> bytes:
    """Return the picture of a request: its raw body, or the first file of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=8, max_fields=8) as form:
        for part in form.values():
            if isinstance(part, UploadFile):
                return await part.read()
    return b""
