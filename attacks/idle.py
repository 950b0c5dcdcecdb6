"""`python -m attacks.idle`: 1,000 connections that say nothing, and slow clients, while others are answered.

Slow clients send a head byte by byte, a body byte by byte, or ask for large answers and never read them.
"""

import argparse
import base64
import json
import resource
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from attacks.memory import resident
from attacks.service import MODEL, WHERE, attacked, jpeg, laid_out, small
from attacks.verdict import verdict
from benchmarks.load import closed, percentile
from benchmarks.packages import ORDINARY, package
from benchmarks.server import Server
from stages.core.console import track

PATIENCE = 6.0  # seconds: `bento.client_timeout` of the attacked service
LEEWAY = 10.0
SLOWER, GROWTH = 2.0, 200.0  # times, MB
CLIENTS = 2
FILES = 8192
HEAD = f"POST {WHERE} HTTP/1.1\r\nHost: service\r\nX-Slow: ".encode()
BODY = f"POST {WHERE} HTTP/1.1\r\nHost: service\r\nContent-Length: 100000\r\n\r\n".encode()
LONG = 6 * 2**20
ASK = f"GET /v2/models/{MODEL}/config HTTP/1.1\r\nHost: service\r\n\r\n".encode()


@dataclass(frozen=True)
class Kept:
    """What others saw beside the attackers: p95 in seconds, alone and beside them; what was left open in the end."""

    name: str
    pairs: list[tuple[float, float]]
    growth: float
    left: int
    refused: int = 0

    @property
    def slower(self) -> float:
        """How many times as long the others' p95 was."""
        return statistics.median(beside / alone for alone, beside in self.pairs)

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        alone, beside = (1000 * statistics.median(pair[side] for pair in self.pairs) for side in (0, 1))
        return (
            self.name,
            f"{alone:.0f} ms",
            f"{beside:.0f} ms",
            f"{self.slower:.2f}×",
            f"{self.growth:.0f} MB",
            str(self.left),
        )

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        found = [
            (self.slower >= SLOWER, f"the others' p95 was {self.slower:.2f} times as long"),
            (self.growth > GROWTH, f"memory grew by {self.growth:.0f} MB"),
            (self.left > 0, f"{self.left} were not cut off"),
            (self.refused > 0, f"{self.refused} honest requests were not answered"),
        ]
        return [said for fails, said in found if fails]


def beside(name: str, server: Server, count: int, first: bytes, more: bytes, seconds: float, rounds: int = 1) -> Kept:
    """Time honest clients alone and beside so many attackers, in turn; then wait until those are cut off."""
    pairs, growth, left, refused = [], 0.0, 0, 0
    closed(server.address, small(), CLIENTS, 1.0)
    start = sum(resident(one.pid) for one in server.workers)
    for _ in track(range(rounds), rounds, name):
        alone = percentile(closed(server.address, small(), CLIENTS, seconds), 95)
        with crowd(server.address, count, first, more):
            seen = closed(server.address, small(), CLIENTS, seconds)
            pairs.append((alone, percentile(seen, 95)))
            refused += sum(one.status != 200 for one in seen)
            growth = max(growth, sum(resident(one.pid) for one in server.workers) - start)
            left += still_open(server)
    return Kept(name, pairs, growth, left, refused)


@contextmanager
def crowd(address: str, count: int, first: bytes, more: bytes) -> Iterator[None]:
    """Hold so many connections open, on each of which a beginning is said and then, byte by byte, more."""
    host, _, port = address.partition(":")
    over = threading.Event()
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(host, int(port), first)) for _ in range(count)]
        drip = threading.Thread(target=dripping, args=(connections, more, over))
        drip.start()
        try:
            yield
        finally:
            over.set()
            drip.join()


def connected(host: str, port: int, first: bytes) -> socket.socket:
    """Connect, and say a beginning; where that is a whole question, wait until it is answered, but read little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect((host, port))
    connection.sendall(first)
    if first.startswith((b"GET", b"POST /base64")):
        connection.recv(1)
    return connection


def dripping(connections: list[socket.socket], more: bytes, over: threading.Event) -> None:
    """Send a byte on each connection, again and again."""
    while more and not over.wait(0.5):
        for connection in connections:
            with suppress(OSError):
                connection.send(more, socket.MSG_DONTWAIT)


def still_open(server: Server) -> int:
    """Return how many connections the service still holds once its patience is over."""
    end = time.monotonic() + PATIENCE + LEEWAY
    while (left := sum(held(one) for one in server.workers)) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def held(worker: psutil.Process) -> int:
    """Return how many connections a worker holds."""
    return sum(one.status != psutil.CONN_LISTEN and bool(one.raddr) for one in worker.net_connections("tcp"))


def asking() -> bytes:
    """Return a question whose answer, which repeats it, is longer than what the kernel takes."""
    encoded = base64.b64encode(jpeg(64, 48) + bytes(LONG)).decode()
    body = json.dumps({"data": [{"path": "a.jpg", "encoded": encoded}]}).encode()
    return b"POST /base64 HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n" % len(body) + body


ATTACKERS: dict[str, tuple[float, bytes, bytes]] = {
    "say nothing": (1.0, b"", b""),
    "have been answered": (1.0, ASK, b""),
    "send their head byte by byte": (0.1, HEAD, b"x"),
    "send their body byte by byte": (0.1, BODY, b"x"),
    "never read": (0.01, asking(), b""),
}


def attackers(server: Server, count: int, seconds: float, rounds: int = 1) -> list[Kept]:
    """Send every kind of attacker, `count` of those that say nothing and fewer of the others."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    return [
        beside(f"{int(share * count)} {name}", server, int(share * count), first, more, seconds, rounds)
        for name, (share, first, more) in ATTACKERS.items()
    ]


def main() -> int:
    """Attack a service with its preset for latency."""
    parser = argparse.ArgumentParser(prog="python -m attacks.idle", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="idle connections (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of a turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        package(Path(scratch), size=ORDINARY)
        with attacked(laid_out(Path(scratch) / "code", client_timeout=PATIENCE), Path(scratch)) as server:
            found = attackers(server, given.count, given.seconds, given.rounds)
    columns = ("connections that", "p95 alone", "p95 beside", "slower", "memory", "left open")
    return verdict(columns, ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
