"""Clients that ask an HTTP server side by side, and what each of their requests saw."""

import http.client
import select
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

TIMEOUT = 120.0


@dataclass(frozen=True)
class Question:
    """One request, asked again and again."""

    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Seen:
    """What came back; status 0 is a connection that broke, `body` says how. Seconds, on time.perf_counter's clock."""

    status: int
    begun: float
    seconds: float
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection, opened again where it broke."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=TIMEOUT)

    def ask(self, question: Question) -> Seen:
        """Ask once."""
        begun = time.perf_counter()
        try:
            self.reopen_if_left()
            self.connection.request(question.method, question.path, question.body, question.headers)
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return Seen(0, begun, time.perf_counter() - begun, {}, type(error).__name__.encode())
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Seen(answer.status, begun, time.perf_counter() - begun, headers, body)

    def reopen_if_left(self) -> None:
        """Close a connection that the server has closed while nothing was asked, as every client's pool does."""
        if self.connection.sock and select.select([self.connection.sock], [], [], 0)[0]:
            self.connection.close()


def closed(address: str, question: Question, clients: int, seconds: float) -> list[Seen]:
    """Let each client ask again as soon as it was answered, for so many seconds: as much load as there are clients."""
    end = time.perf_counter() + seconds

    def ask() -> list[Seen]:
        client = Client(address)
        seen: list[Seen] = []
        while time.perf_counter() < end:
            seen.append(client.ask(question))
        return seen

    return together(ask for _ in range(clients))


def steady(address: str, question: Question, rate: float, seconds: float, most: int = 256) -> list[Seen]:
    """Send so many requests a second, whatever comes back; at most `most` of them are under way at once."""
    start, turns, lock = time.perf_counter(), iter(range(int(rate * seconds))), threading.Lock()

    def ask() -> list[Seen]:
        client = Client(address)
        seen: list[Seen] = []
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return seen
            time.sleep(max(0.0, start + turn / rate - time.perf_counter()))
            seen.append(client.ask(question))

    return together(ask for _ in range(most))


def together(clients: Iterable[Callable[[], list[Seen]]]) -> list[Seen]:
    """Run the clients side by side; return what they saw, in the order in which it was asked."""
    chosen = list(clients)
    with ThreadPoolExecutor(len(chosen)) as pool:
        seen = [one for future in [pool.submit(client) for client in chosen] for one in future.result()]
    return sorted(seen, key=lambda one: one.begun)


def percentile(seen: Iterable[Seen], share: float) -> float:
    """Return the latency (seconds) that a share of the requests, in percent, stayed within."""
    return float(np.percentile([one.seconds for one in seen], share))


def throughput(seen: list[Seen]) -> float:
    """Return the answers with status 200 in a second, from the first request to the last answer."""
    good = sum(one.status == 200 for one in seen)
    return good / (max(one.begun + one.seconds for one in seen) - min(one.begun for one in seen))
