"""What a wrong name may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 20  # names in one message


def nearest(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return "; did you mean lr?", with up to `most` names, or the whole list where nothing is near."""
    names = sorted(map(str, known))
    matches = get_close_matches(name, names, n=most, cutoff=0.6)
    if matches:
        return f"; did you mean {' or '.join(matches)}?"
    shown = [*names[:MOST], "…"] if len(names) > MOST else names
    return f"; allowed: {', '.join(shown)}" if names else "; none exist"
