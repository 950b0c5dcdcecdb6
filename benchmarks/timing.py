"""Ratios that hold on a noisy machine: the two sides take turns, the median of the pairs counts."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from stages.console import track


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
    start = time.perf_counter()
    told = work()
    return told if isinstance(told, float) else time.perf_counter() - start


def compare(
    claim: str, ours: Callable[[], object], peer: Callable[[], object], unit: tuple[int, str], bar: str, rounds: int = 5
) -> Ratio:
    """Time both in turn, after one round that does not count; `unit` is how much work a call does, and its name."""
    ours(), peer()
    times = [(seconds(ours), seconds(peer)) for _ in track(range(rounds), rounds, claim)]
    count, name = unit
    fast = [statistics.median(count / pair[side] for pair in times) for side in (0, 1)]
    rates = [f"{rate:,.0f} {name}/s" if rate >= 1 else f"{1 / rate:,.1f} s" for rate in fast]
    return Ratio(claim, rates[0], rates[1], [other / own for own, other in times], bar)
