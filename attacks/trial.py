"""What came of the requests of one kind: how many were answered, how, how long it took, what it left in memory."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from attacks.memory import resident
from benchmarks.load import Seen
from benchmarks.server import Server

GROWTH = 150.0  # MB
SLOWEST = 5.0  # seconds for an answer
PLAIN = frozenset({"error"})
THEIRS = frozenset({"code", "type", "message"})
ANY: frozenset[str] = frozenset()
COLUMNS = ("requests", "answers", "slowest", "memory")


@dataclass
class Trial:
    """What came of the requests of one kind."""

    name: str
    answers: int = 0
    slowest: float = 0.0
    growth: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        return self.name, f"{self.answers:,}", f"{self.slowest:.2f} s", f"{self.growth:.0f} MB"

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        found = [
            (self.slowest > SLOWEST, f"an answer took {self.slowest:.1f} s"),
            (self.growth > GROWTH, f"memory grew by {self.growth:.0f} MB"),
        ]
        return [*self.faults, *(said for fails, said in found if fails)]

    def take(self, what: str, seen: Seen, shape: frozenset[str], allowed: Iterable[int] = range(200, 500)) -> None:
        """Count an answer; an error must have the shape of its protocol."""
        self.answers += 1
        self.slowest = max(self.slowest, seen.seconds)
        if seen.status not in allowed:
            self.faults.append(f"{what}: {seen.status} {seen.body[:80]!r}")
        elif seen.status >= 400 and shape and keys(seen.body) != shape:
            self.faults.append(f"{what}: {seen.status} in another shape, {seen.body[:80]!r}")


def keys(body: bytes) -> frozenset[str]:
    """Return the names in a JSON object; none where it is something else."""
    with suppress(ValueError):
        content = json.loads(body)
        return frozenset(content) if isinstance(content, dict) else frozenset()
    return frozenset()


def held(server: Server) -> float:
    """Return the memory of all workers, MB."""
    return sum(resident(one.pid) for one in server.workers)
