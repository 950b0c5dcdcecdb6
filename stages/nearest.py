"""What a wrong name may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 20  # names in one message


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean lr?", or the whole list where nothing is near."""
    names = sorted(map(str, known))
    match = get_close_matches(name, names, n=1, cutoff=0.6)
    if match:
        return f"; did you mean {match[0]}?"
    shown = [*names[:MOST], "…"] if len(names) > MOST else names
    return f"; allowed: {', '.join(shown)}" if names else "; none exist"
