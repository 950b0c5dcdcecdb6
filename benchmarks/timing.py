"""Ratios that hold on a noisy machine: the two sides take turns, the median of the pairs counts."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stages.core.console import track

REST = 0.3  # seconds between timings: threads of OpenMP and BLAS spin on for a while and would slow the next


@dataclass(frozen=True)
class Ratio:
    """How much faster ours is than a peer (> 1: faster), pair by pair."""

    claim: str
    ours: str
    peer: str
    pairs: list[float]
    bar: str

    @property
    def median(self) -> float:
        """The median of the pairs."""
        return statistics.median(self.pairs)


def seconds(work: Callable[[], object]) -> float:
    """Return how long work takes, or what it says itself where only a part of it is meant."""
    time.sleep(REST)
    start = time.perf_counter()
    told = work()
    return told if isinstance(told, float) else time.perf_counter() - start


def compare(
    claim: str, ours: Callable[[], object], peer: Callable[[], object], unit: tuple[int, str], bar: str, rounds: int = 5
) -> Ratio:
    """Time both in turn, after one round that does not count; `unit` is how much work a call does, and its name."""
    return race(claim, ours, {"": peer}, unit, bar, rounds)


def race(
    claim: str,
    ours: Callable[[], object],
    peers: dict[str, Callable[[], object]],
    unit: tuple[int, str],
    bar: str,
    rounds: int = 5,
) -> Ratio:
    """Time ours and several peers in turn, as `compare` does; the peer whose median is best counts, and is named."""
    entrants = [ours, *peers.values()]
    for entrant in entrants:
        entrant()
    times = [[seconds(entrant) for entrant in entrants] for _ in track(range(rounds), rounds, claim)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    best = min(range(1, len(entrants)), key=medians.__getitem__)
    name = list(peers)[best - 1]
    shown = rate(medians[best], unit) + (f" ({name})" if name else "")
    return Ratio(claim, rate(medians[0], unit), shown, [row[best] / row[0] for row in times], bar)


def rate(median: float, unit: tuple[int, str]) -> str:
    """Return how much work is done in a second, or how long one piece takes where that is longer."""
    count, name = unit
    return f"{count / median:,.0f} {name}/s" if count >= median else f"{median / count:,.1f} s"


def shown(seconds: float) -> str:
    """Return a duration as a person reads it."""
    return f"{seconds * 1000:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def turns(entrants: Mapping[str, Callable[[], float]], rounds: int, what: str) -> dict[str, list[float]]:
    """Let each entrant measure something in turn, round after round; return what each measured."""
    found: dict[str, list[float]] = {name: [] for name in entrants}
    for _ in track(range(rounds), rounds, what):
        for name, measure in entrants.items():
            time.sleep(REST)
            found[name].append(measure())
    return found


def shorter(claim: str, ours: list[float], peer: list[float], bar: str, named: str = "") -> Ratio:
    """Return how much shorter ours took than a peer (seconds), turn by turn."""
    theirs = shown(statistics.median(peer)) + (f" ({named})" if named else "")
    return Ratio(claim, shown(statistics.median(ours)), theirs, [b / a for a, b in zip(ours, peer, strict=True)], bar)
