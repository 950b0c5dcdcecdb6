"""`python -m attacks.endurance`: 10,000 requests, broken and misdirected ones too, and what the service holds then.

Memory, threads and open files are compared after a tenth of the requests and after all of them, over every worker.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.memory import resident
from attacks.service import MODEL, WHERE, attacked, jpeg, laid_out
from attacks.verdict import verdict
from benchmarks.load import Client, Question, Seen, together
from benchmarks.packages import package
from benchmarks.server import Server
from stages.core.console import create_progress

GROWTH = 5.0  # MB a worker
FEW = 2  # threads or files more
METRICS = 6  # files of metrics, which a worker opens with its first request: that may come late
CLIENTS = 4
SIZE = 64
FIRST = 0.1  # of the requests
PICTURE = jpeg(160, 120)
QUESTIONS = [
    (Question(WHERE, PICTURE), 200),
    (Question(f"/classify/{MODEL}", PICTURE), 200),
    (Question(f"/classify/{MODEL}", PICTURE, {"Accept": "text/html"}), 200),
    (Question(WHERE, b"%PDF-1.4 no picture"), 415),
    (Question(WHERE, PICTURE[:400]), 400),
    (Question(WHERE, bytes(2**20 + 1)), 413),
    (Question("/base64", b"[]"), 400),
    (Question(f"/v2/models/{MODEL}/infer", b"{}"), 400),
    (Question("/nowhere", method="GET"), 404),
]


@dataclass(frozen=True)
class Held:
    """What the workers of a service hold: MB, threads, files beside connections; and how long a page of metrics is."""

    memory: float
    threads: int
    files: int
    metrics: int


@dataclass(frozen=True)
class Endured:
    """What a service held after the first requests and after all of them, and what they saw instead of their due."""

    count: int
    workers: int
    first: Held
    last: Held
    unexpected: list[str]

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        pairs = ((getattr(self.first, name), getattr(self.last, name)) for name in ("memory", "threads", "files"))
        return f"{self.count:,}", *(f"{first:.0f} → {last:.0f}" for first, last in pairs), f"{self.last.metrics:,} B"

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        grown = self.last.memory - self.first.memory
        found = [
            (grown > GROWTH * self.workers, f"memory grew by {grown:.1f} MB"),
            (self.last.threads > self.first.threads + FEW, "threads are left over"),
            (self.last.files > self.first.files + FEW + METRICS * (self.workers - 1), "files are left open"),
            (self.last.metrics > 1.05 * self.first.metrics, "the page of metrics grows"),
        ]
        return [*self.unexpected, *(said for fails, said in found if fails)]


def endured(server: Server, count: int) -> Endured:
    """Ask so many questions, every one at a path of its own where there is none."""
    with create_progress() as bar:
        task = bar.add_task("requests", total=count)
        found: list[Held] = []
        unexpected: list[str] = []
        for part in (int(FIRST * count), count - int(FIRST * count)):
            unexpected += asked(server.address, part, lambda: bar.advance(task))
            found.append(held(server))
    return Endured(count, len(server.workers), found[0], found[1], sorted(set(unexpected)))


def asked(address: str, count: int, each: Callable[[], None]) -> list[str]:
    """Ask questions side by side; return what was answered otherwise than expected."""
    wrong: list[str] = []

    def ask(number: int) -> list[Seen]:
        client = Client(address)
        for turn, (question, due) in enumerate(islice(cycle(QUESTIONS), number, number + count // CLIENTS)):
            path = f"{question.path}-{count}-{number}-{turn}" if due == 404 else question.path
            status = client.ask(replace(question, path=path)).status
            each()
            if status != due:
                wrong.append(f"{question.method} {question.path}: {status}, not {due}")
        return []

    together(partial(ask, number) for number in range(CLIENTS))
    return wrong


def held(server: Server) -> Held:
    """Return what the workers hold now."""
    workers = server.workers
    page = Client(server.address).ask(Question("/metrics", method="GET"))
    return Held(
        sum(resident(one.pid) for one in workers),
        sum(one.num_threads() for one in workers),
        sum(one.num_fds() - len(one.net_connections("inet")) for one in workers),
        len(page.body),
    )


def main() -> int:
    """Ask a service of two workers."""
    parser = argparse.ArgumentParser(prog="python -m attacks.endurance", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="requests (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        package(Path(scratch), size=SIZE)
        code = laid_out(Path(scratch) / "code", workers=given.workers, max_body_mb=1.0)
        with attacked(code, Path(scratch)) as server:
            found = endured(server, given.count)
    return verdict(("requests", "MB", "threads", "files", "/metrics"), [(found.cells, found.wrong)])


if __name__ == "__main__":
    sys.exit(main())
