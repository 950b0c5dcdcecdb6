"""What uvicorn leaves to others: connections that say nothing are closed, and a worker leaves without losing a request.

After SIGTERM a worker says that it is not ready and goes on answering, so that a load balancer sends nobody new; then
uvicorn closes its listener, finishes what was accepted, and ends.
"""

import asyncio
import resource
import signal
from types import FrameType
from typing import Any

import uvicorn

from bento.desk import Desk

EVERY = 1.0  # seconds between two looks at the connections
FILES = 65536
ATTACHED = 0.05  # seconds
Stand = tuple[int, bool, int]


def watch(at: Desk) -> None:
    """Look after the server of this process, if it is uvicorn's: BentoML calls this in its main thread."""
    found = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(found, uvicorn.Server):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most if 0 < most < FILES else FILES, most))
        signal.signal(signal.SIGTERM, Leaving(found, at))
        Connections(found, at.settings.client_timeout).look()


class Leaving:
    """What a worker does on SIGTERM: it is not ready any more, and after a while it lets uvicorn leave."""

    def __init__(self, server: uvicorn.Server, at: Desk) -> None:
        self.server, self.at, self.loop = server, at, asyncio.get_running_loop()

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle the signal; service managers send it to the parent and to us, and the parent passes it on."""
        if not self.at.leaving:
            self.at.leaving = True
            self.loop.call_soon_threadsafe(self.loop.call_later, self.at.settings.drain, self.go, number)

    def go(self, number: int) -> None:
        """Accept nobody any more; whom asyncio has accepted, but not yet attached to its listener, needs it open."""
        for listener in self.server.servers:
            for one in listener.sockets:
                self.loop.remove_reader(one.fileno())
        self.loop.call_later(ATTACHED, self.server.handle_exit, number, None)


class Connections:
    """The connections of a server; those on which nothing moves for too long are cut off.

    Uvicorn itself waits for ever for the rest of a request's head, and for a client to take its answer.
    """

    def __init__(self, server: uvicorn.Server, patience: float) -> None:
        self.server, self.patience, self.loop = server, patience, asyncio.get_running_loop()
        self.seen: dict[Any, tuple[Stand, float]] = {}

    def look(self) -> None:
        """Note where each connection stands, cut off those that stand there for too long, and look again later."""
        now, seen = self.loop.time(), {}
        for connection in list(self.server.server_state.connections):
            stands = stand(connection)
            if stands is None:
                continue
            before, since = self.seen.get(connection, (None, now))
            seen[connection] = stands, since if before == stands else now
            if before == stands and now - since > self.patience:
                connection.transport.abort()
        self.seen = seen
        self.loop.call_later(EVERY, self.look)


def stand(connection: Any) -> Stand | None:
    """Return where a connection stands that waits for its client; None where the client waits for us."""
    cycle, unsent = connection.cycle, connection.transport.get_write_buffer_size()
    asks = cycle is None or cycle.response_complete
    return (id(cycle), asks, unsent) if asks or unsent else None
