"""`python -m attacks.flood`: five times as many requests as the service can answer, and whether it still answers well.

Capacity is what as many clients as there are places get when each asks again as soon as it is answered. Then five times
that rate is sent, whatever comes back. The two take turns; the medians count.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.service import attacked, laid_out, large, small
from attacks.verdict import verdict
from benchmarks.load import Question, Seen, closed, percentile, steady
from benchmarks.packages import ORDINARY, package
from bento.settings import settings
from stages.core.console import track

TIMES = 5
EVEN = 0.6  # of the places: connections do not spread evenly over several workers, and none shall be full
FEW = 0.1  # of the requests at capacity: who is rejected asks again at once
WARM = 0.25  # of a turn: the queue fills
PRESETS = {"1 × 2": {"workers": 1, "threads": 2}, "2 × 1": {"workers": 2, "threads": 1}}
QUESTIONS = {"40 kB": small, "5 MB": large}


@dataclass(frozen=True)
class Bars:
    """What must hold: goodput and latencies as ratios to those at capacity, rejections in seconds."""

    goodput: float = 0.9
    accepted: float = 2.0
    rejected: float = 0.05


@dataclass(frozen=True)
class Turn:
    """What the clients saw in a turn of so many seconds."""

    seen: list[Seen]
    seconds: float

    def with_status(self, status: int) -> list[Seen]:
        """Return the answers with a status."""
        return [one for one in self.seen if one.status == status]

    def settled(self, status: int) -> list[Seen]:
        """Return the answers with a status to what was asked once the queue had filled."""
        start = self.seen[0].begun + WARM * self.seconds
        return [one for one in self.with_status(status) if one.begun >= start]

    @property
    def goodput(self) -> float:
        """Answers with status 200 in a second, once the queue has filled."""
        start = self.seen[0].begun
        ended = [one.begun + one.seconds - start for one in self.with_status(200)]
        return sum(WARM * self.seconds <= end <= self.seconds for end in ended) / ((1 - WARM) * self.seconds)


@dataclass(frozen=True)
class Flood:
    """Turns at capacity and turns flooded, in pairs."""

    name: str
    pairs: list[tuple[Turn, Turn]]
    bars: Bars = field(default_factory=Bars)

    @property
    def goodput(self) -> float:
        """Answers a second when flooded, as a share of those at capacity."""
        return statistics.median(flood.goodput / calm.goodput for calm, flood in self.pairs)

    @property
    def accepted(self) -> float:
        """The p99 of what was accepted when flooded, in those at capacity."""
        return statistics.median(
            percentile(flood.with_status(200), 99) / percentile(calm.with_status(200), 99) for calm, flood in self.pairs
        )

    @property
    def rejected(self) -> float:
        """The p99 of what was rejected, seconds; 0 where nothing was."""
        found = [flood.settled(503) for _, flood in self.pairs]
        return statistics.median(percentile(turned, 99) if turned else 0.0 for turned in found)

    @property
    def crowded(self) -> float:
        """The share of requests that were rejected at capacity."""
        return statistics.median(len(calm.with_status(503)) / len(calm.seen) for calm, _ in self.pairs)

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        rate = statistics.median(calm.goodput for calm, _ in self.pairs)
        sent = sum(len(flood.seen) for _, flood in self.pairs)
        away = sum(len(flood.with_status(503)) for _, flood in self.pairs)
        p99 = f"{1000 * self.rejected:.0f} ms"
        return self.name, f"{rate:.1f}/s", f"{away} of {sent}", f"{self.goodput:.2f}", f"{self.accepted:.2f}×", p99

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        every = [one for pair in self.pairs for turn in pair for one in turn.seen]
        hasty = [one for one in every if one.status == 503 and "retry-after" not in one.headers]
        other = sorted({one.status for one in every} - {200, 503})
        found = [
            (self.goodput < self.bars.goodput, f"goodput is {self.goodput:.2f} of its peak"),
            (self.accepted > self.bars.accepted, f"the p99 of the accepted is {self.accepted:.2f} times as long"),
            (self.rejected > self.bars.rejected, f"the p99 of the rejected is {1000 * self.rejected:.0f} ms"),
            (self.crowded > FEW, "at capacity some were rejected"),
            (not any(flood.with_status(503) for _, flood in self.pairs), "the flood was none: nothing was rejected"),
            (bool(hasty), f"{len(hasty)} were rejected without Retry-After"),
            (bool(other), f"answered {', '.join(map(str, other))} (0: broken)"),
        ]
        return [said for fails, said in found if fails]


def flooded(name: str, address: str, question: Question, seconds: float, rounds: int = 1, workers: int = 1) -> Flood:
    """Ask at capacity and at five times that rate, in turn."""
    places = int((settings().queue + settings().concurrency) * (workers if workers == 1 else EVEN * workers))
    closed(address, question, 2, 1.0)
    pairs = []
    for _ in track(range(rounds), rounds, name):
        calm = Turn(closed(address, question, places, seconds), seconds)
        pairs.append((calm, Turn(steady(address, question, TIMES * calm.goodput, seconds), seconds)))
    return Flood(name, pairs)


def main() -> int:
    """Flood the service with small and large pictures, in the preset for latency and the one for throughput."""
    parser = argparse.ArgumentParser(prog="python -m attacks.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of a turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of turns (default: %(default)s)")
    given = parser.parse_args()
    found = []
    with TemporaryDirectory() as scratch:
        package(Path(scratch), size=ORDINARY)
        for number, (preset, chosen) in enumerate(PRESETS.items()):
            with attacked(laid_out(Path(scratch) / str(number), **chosen), Path(scratch)) as server:
                for size, question in QUESTIONS.items():
                    name = f"{size}, {preset}"
                    found.append(
                        flooded(name, server.address, question(), given.seconds, given.rounds, chosen["workers"])
                    )
    columns = ("bodies, workers × threads", "capacity", "rejected", "goodput", "p99 accepted", "p99 rejected")
    return verdict(columns, ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
