"""`python -m attacks.stop`: the service is told to end, or loses a worker, while it is asked more than it can do."""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.service import attacked, laid_out, small
from attacks.verdict import verdict
from benchmarks.load import Client, Question, Seen, steady
from benchmarks.packages import ORDINARY, package
from benchmarks.server import Server
from bento.settings import settings
from stages.core.console import console, track

READY = ("/readyz", "/v2/health/ready", "/ping")
BEFORE, AFTER = 2.0, 4.0  # seconds of load
OFTEN = 0.02
REPLACED = 40.0  # seconds: BentoML looks after its workers every ten


@dataclass(frozen=True)
class Ending:
    """What the clients saw of an end; times in seconds after the signal."""

    name: str
    seen: list[Seen]
    signalled: float
    unready: float
    code: int
    took: float

    @property
    def answered(self) -> list[Seen]:
        """Answers that came after the signal."""
        return [one for one in self.seen if one.status and one.begun + one.seconds > self.signalled]

    @property
    def broken(self) -> list[Seen]:
        """Requests that were let in and not answered."""
        return [one for one in self.seen if not one.status and one.body != b"ConnectionRefusedError"]

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        good = sum(one.status == 200 for one in self.answered)
        times = f"{1000 * self.unready:.0f} ms", f"{self.took:.1f} s"
        return self.name, times[0], str(good), str(len(self.answered) - good), str(len(self.broken)), times[1]

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        last = max((one.begun + one.seconds for one in self.answered), default=0.0) - self.signalled
        found = [
            (bool(self.broken), f"{len(self.broken)} broke: {sorted({one.body.decode() for one in self.broken})}"),
            (self.unready >= last, "it was ready for as long as it answered"),
            (not {one.status for one in self.answered} <= {200, 503}, "an answer was neither 200 nor 503"),
            (not any(one.status == 200 for one in self.answered), "nothing that was accepted was answered"),
            (self.code != 0, f"it ended with {self.code}"),
        ]
        return [said for fails, said in found if fails]


def under_load(address: str, question: Question, rate: float, then: Callable[[], None]) -> list[Seen]:
    """Ask for a while, let something happen, and ask on."""
    seen: list[Seen] = []
    load = threading.Thread(target=lambda: seen.extend(steady(address, question, rate, BEFORE + AFTER)))
    load.start()
    time.sleep(BEFORE)
    then()
    load.join()
    return seen


def ended(server: Server, question: Question, rate: float, how: int = signal.SIGTERM) -> Ending:
    """End a server under load, and look from outside how it goes."""
    told: dict[str, float] = {}

    def end() -> None:
        told["at"] = time.perf_counter()
        server.process.send_signal(how)
        told["unready"] = unready(server.address) - told["at"]

    # A connection each: one that is kept may be closed, as HTTP allows, while its next question is on the way.
    alone = replace(question, headers={**question.headers, "Connection": "close"})
    seen = under_load(server.address, alone, rate, end)
    code = server.process.wait(settings().timeout + settings().client_timeout)
    took = time.perf_counter() - told["at"]
    return Ending(signal.Signals(how).name, seen, told["at"], told["unready"], code, took)


def unready(address: str) -> float:
    """Return when no question about readiness is answered with 200 any more."""
    client = Client(address)
    while any(client.ask(Question(path, method="GET")).status == 200 for path in READY):
        time.sleep(OFTEN)
    return time.perf_counter()


@dataclass(frozen=True)
class Loss:
    """What the clients saw of a worker's death; times in seconds."""

    seen: list[Seen]
    most: int
    replaced: float

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        good, broken = (sum(one.status == status for one in self.seen) for status in (200, 0))
        rest = str(len(self.seen) - good - broken)
        return "SIGKILL of 1 worker of 2", "", str(good), rest, str(broken), f"{self.replaced:.1f} s"

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        broken = sum(not one.status for one in self.seen)
        found = [
            (broken > self.most, f"{broken} requests broke, more than the worker had ({self.most})"),
            (self.replaced >= REPLACED, "the worker was not replaced"),
        ]
        return [said for fails, said in found if fails]


def bereaved(server: Server, question: Question, rate: float) -> Loss:
    """Kill one worker under load, and wait for another."""
    before = server.workers
    start = time.perf_counter()
    seen = under_load(server.address, question, rate, before[0].kill)
    while len(set(server.workers) - {before[0]}) < len(before) and time.perf_counter() - start < REPLACED:
        time.sleep(OFTEN)
    own = settings().queue + settings().concurrency
    return Loss(seen, own, time.perf_counter() - start)


def main() -> int:
    """End a service of each preset under load, then let it lose a worker."""
    parser = argparse.ArgumentParser(prog="python -m attacks.stop", description=__doc__)
    parser.add_argument("--rate", type=float, default=100, help="requests a second (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="(default: %(default)s)")
    given = parser.parse_args()
    rows: list[Ending | Loss] = []
    with TemporaryDirectory() as scratch:
        package(Path(scratch), size=ORDINARY)
        for number in track(range(given.rounds), given.rounds, "ends"):
            code = laid_out(Path(scratch) / str(number), workers=1 + number % 2)
            for how in (signal.SIGTERM, signal.SIGINT):
                with attacked(code, Path(scratch)) as server:
                    rows.append(ended(server, small(), given.rate, how))
        with attacked(laid_out(Path(scratch) / "two", workers=2), Path(scratch)) as server:
            rows.append(bereaved(server, small(), given.rate))
    columns = ("how", "unready after", "200", "503", "broken", "ended or replaced after")
    status = verdict(columns, ((row.cells, row.wrong) for row in rows))
    console.print("200 and 503 are counted from the signal on; refused connections are not broken ones")
    return status


if __name__ == "__main__":
    sys.exit(main())
