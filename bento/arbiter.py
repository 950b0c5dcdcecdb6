"""The parent of the workers, BentoML's: it holds their listener open beside them, until the last of them has ended."""

from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Any

from bentoml._internal.utils.circus import Arbiter

LAST = 0.5  # seconds in which the workers take whoever the kernel has connected by the end of the drain
GONE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
MOST = 2**20
LATER = 0.05  # seconds after that: the workers could not stand a listener that is shut


def refuse_at_the_end(drain: float) -> None:
    """Let connections be refused once no worker takes them; they would wait for one, and break when the parent ends."""
    stop = Arbiter.stop

    def stopping(self: Any) -> Any:
        for listener in self.sockets.values():
            self.loop.call_later(drain, connect_no_more, listener)
            self.loop.call_later(drain + LAST + LATER, refuse, listener)
        return stop(self)

    Arbiter.stop = stopping  # type: ignore[method-assign]


def connect_no_more(listener: socket) -> None:
    """Let the kernel keep who comes waiting outside; whom it let in already is not sent away."""
    with suppress(OSError):
        listener.listen(0)


def refuse(listener: socket) -> None:
    """Refuse who comes, in every process that holds the listener; answer whoever the kernel has let in since."""
    listener.setblocking(False)
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with suppress(OSError), connection:
                connection.setblocking(False)
                connection.recv(MOST)  # what was not read would end the connection before its answer
                connection.send(GONE)
    with suppress(OSError):
        listener.shutdown(SHUT_RDWR)
