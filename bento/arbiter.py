"""The parent of the workers, BentoML's: it holds their listener open beside them, until the last of them has ended."""

from contextlib import suppress
from socket import SHUT_RDWR, SHUT_WR, socket
from typing import Any

from bentoml._internal.utils.circus import Arbiter

GONE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
LATER = 0.2  # seconds after the workers, who could not stand a listener that is shut


def refuse_at_the_end(drain: float) -> None:
    """Let connections be refused once no worker takes them; they would wait for one, and break when the parent ends."""
    stop = Arbiter.stop
    late: list[socket] = []

    def stopping(self: Any) -> Any:
        for listener in self.sockets.values():
            self.loop.call_later(drain + LATER, refuse, listener, late)
        return stop(self)

    Arbiter.stop = stopping  # type: ignore[method-assign]


def refuse(listener: socket, late: list[socket]) -> None:
    """Turn away whom the kernel has let in since the workers left, then refuse who comes, in every process.

    Those who came late are kept open: what they still send would end a closed connection before its answer is read.
    """
    listener.setblocking(False)
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            late.append(connection)
            with suppress(OSError):
                connection.send(GONE)
                connection.shutdown(SHUT_WR)
    with suppress(OSError):
        listener.shutdown(SHUT_RDWR)
