"""How much of an object is taken, and what a store's refusal means."""

from dataclasses import dataclass

from stages.core.errors import UserError

LARGEST = 64 * 2**20
CONNECT, READ = 10, 30  # seconds, until there is a connection and between two pieces of an answer
PASSING = (408, 425, 429)
FINAL = {401: PermissionError, 403: PermissionError, 404: FileNotFoundError, 410: FileNotFoundError}


@dataclass(frozen=True)
class Limits:
    """The most bytes of one object, and the most seconds that a web server may take for it."""

    largest: int = LARGEST
    seconds: float = 600.0


class Damaged(Exception):
    """An object that did not come as it was announced; ask again, and not before `later` seconds where that is said."""

    def __init__(self, why: str, later: float | None = None) -> None:
        super().__init__(why)
        self.later = later


def meaning(status: int, said: str, later: float | None = None) -> Exception:
    """Return the error that an HTTP status stands for."""
    if status >= 500 or status in PASSING:
        return Damaged(f"{status} {said}", later)
    return FINAL.get(status, UserError)(f"{status} {said}")


def refuse_large(size: int, largest: int = LARGEST) -> None:
    """Raise a UserError for more bytes than allowed."""
    if size > largest:
        raise UserError(f"larger than {largest / 2**20:g} MB")
