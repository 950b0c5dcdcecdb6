"""The entrance of a worker: bodies are read here, within limits of size, time and memory, before any protocol."""

import asyncio

from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bento.desk import Desk
from bento.turned import Turned, away, busy, large, nowhere, of_a_person, slow

PATIENCE = 4  # times the limit: a browser that is still sending sees no answer, so that much is read on
SLOWEST = 64 * 2**10  # bytes a second
SOON = 1.0  # seconds
BRINGING = ("POST", "PUT")
NOSNIFF = (b"x-content-type-options", b"nosniff")


class Entrance:
    """ASGI middleware: reads bodies, and turns away at once whom the desk behind it could not answer.

    Bodies that are being read or wait take as much memory together as a full queue of the largest ones.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state, self.held, self.coming = app, state, 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a whole body on as one message."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        at: Desk = self.state.desk
        reading = Reading(self, at, receive)
        try:
            first = await reading.all(scope)
            if first["type"] == "http.request":
                await self.app(scope, replay(first, receive), parting(send, at))
        except Turned as turned:
            await away(turned, scope, receive, parting(send, at))
        finally:
            self.held -= reading.size


class Reading:
    """The body of one request, and what it holds of the entrance's memory."""

    def __init__(self, entrance: Entrance, at: Desk, receive: Receive) -> None:
        self.entrance, self.at, self.receive = entrance, at, receive
        self.parts: list[bytes] = []
        self.size = 0
        self.expected: asyncio.TimerHandle | None = None

    async def all(self, scope: Scope) -> Message:
        """Return the whole body as one message, or the client's disconnection; raise Turned if it is not taken."""
        if "\n" in scope["path"]:  # routes end at a line's end: nobody's would answer
            raise nowhere()
        limit = self.at.settings.max_body
        most = limit * (PATIENCE if of_a_person(scope) else 1)
        if announced(scope) > most:
            raise large(limit, ends=announced(scope) > PATIENCE * limit)
        if scope["method"] in BRINGING:
            if self.at.full(self.entrance.coming):
                raise busy(self.at.crowded)
            self.come()
        patience = self.at.settings.client_timeout
        try:
            async with asyncio.timeout(patience) as clock:
                return await self.gathered(clock, limit, most)
        except TimeoutError:
            raise slow(patience) from None
        finally:
            self.came()

    def come(self) -> None:
        """Count among those that will soon be in the queue, but not for long: slow clients shall keep nobody out."""
        self.entrance.coming += 1
        self.expected = asyncio.get_running_loop().call_later(SOON, self.came)

    def came(self) -> None:
        """Count no more."""
        if self.expected:
            self.expected.cancel()
            self.expected = None
            self.entrance.coming -= 1

    async def gathered(self, clock: asyncio.Timeout, limit: int, most: int) -> Message:
        """Read on as long as enough comes; of a body over the limit as much as `most` is read, and forgotten."""
        came, latest = 0, clock.when() or 0.0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                return message
            part, more = message.get("body", b""), message.get("more_body", False)
            came += len(part)
            clock.reschedule(latest + came / SLOWEST)
            if came <= limit:
                self.hold(part)
            elif came > most or not more:
                raise large(limit)
            else:
                self.let_go()
            if not more:
                return {"type": "http.request", "body": self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)}

    def hold(self, part: bytes) -> None:
        """Keep a part, if there is memory for it."""
        settings = self.at.settings
        if self.entrance.held + len(part) > (settings.queue + settings.concurrency) * settings.max_body:
            raise busy("bodies that are being read take all the memory there is for them")
        self.parts.append(part)
        self.size += len(part)
        self.entrance.held += len(part)

    def let_go(self) -> None:
        """Forget what was kept."""
        self.entrance.held -= self.size
        self.parts, self.size = [], 0


def announced(scope: Scope) -> int:
    """Return the body's announced length, 0 where there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def replay(first: Message, receive: Receive) -> Receive:
    """Return a receive that gives this message first."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def parting(send: Send, at: Desk) -> Send:
    """Return a send that says when to come again, that this worker leaves, and that types are not to be guessed."""

    async def again(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"] = list(message.get("headers", []))
            if message["status"] == 503 and all(name.lower() != b"retry-after" for name, _ in headers):
                headers.append((b"retry-after", b"1"))
            if at.leaving:
                headers.append((b"connection", b"close"))
            if NOSNIFF not in headers:
                headers.append(NOSNIFF)
        await send(message)

    return again
