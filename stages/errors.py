"""What a user did wrong, said so that it can be mended."""

from collections.abc import Iterable

from stages.console import errors
from stages.nearest import MOST as MOST
from stages.nearest import nearest as nearest


class UserError(Exception):
    """A mistake in a command, a config or the data; shown without a traceback."""


def refusal(error: UserError | str) -> int:
    """Print why a command will not run and return its exit status."""
    errors.print("[bold red]error[/]", end=" ")
    errors.print(str(error), markup=False)
    return 2


def first_line(error: BaseException) -> str:
    """Return the first line of an error, or its kind."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def choose(kind: str, name: str, known: Iterable[str]) -> str:
    """Return name if it is known, else raise a UserError that offers the nearest."""
    names = list(known)
    if name not in names:
        raise UserError(f"{kind}: unknown name {name!r}{nearest(name, names)}")
    return name
