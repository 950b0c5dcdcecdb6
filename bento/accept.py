"""What a client would rather have: a page for people or JSON for programs."""

import re

from starlette.datastructures import Headers

HTML, JSON = "text/html", "application/json"
QUALITY = re.compile(r"q=(0(?:\.\d*)?|1(?:\.0*)?)")


def wants_page(headers: Headers) -> bool:
    """Tell whether a request prefers HTML, as a browser's does; who does not care gets JSON."""
    accept = headers.get("accept", "").lower()
    return quality(accept, HTML) > quality(accept, JSON)


def quality(accept: str, kind: str) -> float:
    """Return how welcome a media type is, 0 to 1; the most specific range that names it decides."""
    ranges = dict(weighed(part) for part in accept.split(","))
    names = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((ranges[name] for name in names if name in ranges), 0.0)


def weighed(part: str) -> tuple[str, float]:
    """Return a media range and its quality."""
    name, *parameters = (word.strip() for word in part.split(";"))
    found = [match[1] for word in parameters if (match := QUALITY.fullmatch(word))]
    return name, float(found[0]) if found else 1.0
