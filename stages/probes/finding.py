"""What a probe found: a row of the doctor's table."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """A thing, what of it is here, and where something lacks: what that costs and what mends it.

    Without the `needed` ones `make demo` does not run.
    """

    thing: str
    found: str
    cost: str = ""
    mend: str = ""
    needed: bool = False

    @property
    def state(self) -> str:
        """Say "ok", "lacks", or "missing" of what is needed."""
        if not self.cost:
            return "ok"
        return "missing" if self.needed else "lacks"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"state": self.state}


Probe = Callable[[], list[Finding]]


def gigabytes(size: float) -> str:
    """Return bytes as people say them."""
    return f"{size / 2**30:.1f} GB"
