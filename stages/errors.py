"""What a user did wrong, said so that it can be mended."""

from collections.abc import Iterable
from difflib import get_close_matches

from stages.console import errors

MOST = 20  # names in one message


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


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean lr?", or the whole list where nothing is near."""
    names = sorted(map(str, known))
    match = get_close_matches(name, names, n=1, cutoff=0.6)
    if match:
        return f"; did you mean {match[0]}?"
    shown = [*names[:MOST], "…"] if len(names) > MOST else names
    return f"; allowed: {', '.join(shown)}" if names else "; none exist"


def choose(kind: str, name: str, known: Iterable[str]) -> str:
    """Return name if it is known, else raise a UserError that offers the nearest."""
    names = list(known)
    if name not in names:
        raise UserError(f"{kind}: unknown name {name!r}{nearest(name, names)}")
    return name
