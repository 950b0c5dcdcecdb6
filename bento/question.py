"""What is asked of /similar: query string, JSON, form or raw picture, read into one question."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from bento.filters import Choice
from bento.sentences import NothingSent
from bento.tensors import Malformed

USUAL = 10
LONGEST = 1000  # characters of a value
MOST = 500  # names with a value
LARGEST = 2**20  # bytes of JSON, which are parsed while others wait
HALF = re.compile("[\ud800-\udfff]")  # what JSON can say and UTF-8 cannot
NOT, IS = "not.", "is."
WORDS = ("url", "id", "n", "query")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """A picture (its bytes, a URL or an artwork's published id), how many are wanted, and which are kept."""

    picture: bytes = field(default=b"", repr=False)
    file: str = ""
    url: str = ""
    id: str = ""
    n: int | None = None
    choice: Choice = field(default_factory=Choice)

    @property
    def whole(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.picture or self.file or self.url or self.id)

    def checked(self) -> "Question":
        """Return the question, or raise Malformed where not exactly one thing is asked for."""
        given = [name for name in ("url", "id") if getattr(self, name)]
        given += ["a picture"] if self.picture or self.file else []
        if not given:
            raise NothingSent("no picture: say url= or id=, or send one as the body (curl -T image.jpg) or in a form")
        if len(given) > 1:
            raise Malformed(f"{' and '.join(given)}: say one of them")
        return self


async def read(request: Request, most: int) -> Question:
    """Return the question of a request, or raise Malformed; `most` is the largest n."""
    pairs = list(request.query_params.multi_items())
    if request.method not in ("POST", "PUT"):
        return asked(pairs, most)
    kind = request.headers.get("content-type", "").lower()
    body = b"" if kind.startswith(FORMS[0]) else await request.body()
    if kind.startswith("application/json") or body.lstrip()[:1] == b"{":
        if len(body) > LARGEST:
            raise Malformed(f"the body: more than {LARGEST // 2**20} MB of JSON; no question is that long")
        return asked(chain(pairs, of_json(body)), most)
    if not kind.startswith(FORMS) or not (body.isascii() and b"\0" not in body):
        return asked(pairs, most, body)  # curl --data-binary calls a picture a form, too
    picture, file = b"", ""
    async with request.form(max_files=8, max_fields=MOST) as form:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                pairs.append((name, value))
            elif not file and not picture:
                picture, file = await value.read(), value.filename or ""
    return asked(pairs, most, picture, file)


def asked(pairs: Iterable[Pair], most: int, picture: bytes = b"", file: str = "") -> Question:
    """Return the question of named values; every name that is not a word of the protocol is a column's."""
    words: dict[str, str] = {}
    kept, excluded, anywhere = list[Pair](), list[Pair](), list[str]()
    for count, (name, value) in enumerate(pairs, 1):
        if count > MOST:
            raise Malformed(f"more than {MOST} names and values")
        if len(value) > LONGEST and name != "url":
            raise Malformed(f"{name[:100]}: longer than {LONGEST} characters")
        if name in ("url", "id", "n"):
            if value and words.setdefault(name, value) != value:
                raise Malformed(f"{name}: given twice")
        elif not value:
            continue
        elif name == "query":
            anywhere.append(value)
        elif name.startswith(NOT):
            excluded.append((name.removeprefix(NOT), value))
        else:
            kept.append((name.removeprefix(IS), value))
    choice = Choice(tuple(kept), tuple(excluded), tuple(anywhere))
    n = number(words["n"], most) if "n" in words else None
    return Question(picture, file, words.get("url", ""), words.get("id", ""), n, choice)


def number(text: str, most: int) -> int:
    """Return how many are wanted, or raise Malformed."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise Malformed(f"n: {text[:20]!r} is not a whole number from 1 to {most}")
    return int(text)


def of_json(body: bytes) -> Iterator[Pair]:
    """Yield the named values of a JSON object; `query` may be an object of its own, column → label or labels."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise Malformed('the body: send an object, {"url": …, "n": 10, "query": "prints"}')
    query = content.pop("query", None)
    inner = {f"{IS}{name}": value for name, value in query.items()} if isinstance(query, dict) else {"query": query}
    for name, value in {**content, **inner}.items():
        yield from pairs_of(name, value)


def pairs_of(name: str, value: Any) -> list[Pair]:
    """Return a value of JSON, or each of a list."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    if any(HALF.search(text) for text in (name, *items) if isinstance(text, str)):
        raise Malformed("the body: half of a character (a lone surrogate); send whole ones")
    whole = name in ("id", "n")
    if not all(isinstance(item, str) or (whole and type(item) is int) for item in items):
        shown = "a string or a whole number" if whole else "a string or a list of strings"
        raise Malformed(f"{name[:100]}: must be {shown}")
    return [(name, str(item)) for item in items]
