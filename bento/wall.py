"""The wall of artworks that a page shows: what hangs on it, what it is compared with, and the addresses to go on to."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from PIL import Image

from bento.filters import Choice
from bento.gallery import Gallery, Match
from bento.question import IS, NOT, WORDS, Pair, Question
from bento.render import Asset
from stages.core.image import decode

SHOWN = 24  # artworks at first, and how many more each time
LISTED = 100  # labels of a column that are offered; the largest, and those chosen
LINKED = 20  # conditions that no facet shows, and that can be taken away one by one
SEEN = 320  # pixels of the picture that was looked at
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True)
class Hung:
    """A picture on the wall: where it comes from, its size, what its label says, and where it leads."""

    src: str
    width: int
    height: int
    title: str
    lines: list[str]
    href: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Facet:
    """A column to choose from: its labels as (label, how many, whether chosen), and how many more there are."""

    column: str
    word: str
    labels: list[tuple[str, int, bool]]
    more: int

    @property
    def chosen(self) -> list[str]:
        """The labels that are chosen."""
        return [label for label, _, chosen in self.labels if chosen]


class Wall:
    """What a page shows of a gallery for a question; made in the desk's threads."""

    def __init__(self, gallery: Gallery, asked: Question) -> None:
        self.gallery, self.collection = gallery, gallery.collection
        self.question = replace(asked, choice=gallery.vocabulary.spelled(asked.choice))
        self.choice = self.question.choice

    def address(self, **changes: Any) -> str:
        """Return the address of this wall, changed; a picture that was sent has none."""
        return address(self.gallery.name, replace(self.question, **changes))

    @property
    def unfiltered(self) -> str:
        """The address of this wall without its filters."""
        return self.address(choice=Choice())

    def hang(self, matches: Iterable[Match]) -> list[Hung]:
        """Return artworks as they hang on the wall, each leading to what is similar to it."""
        return [self.artwork(match.row, match.score) for match in matches]

    def spread(self, n: int) -> list[Hung]:
        """Return a spread of what the filters keep."""
        return [self.artwork(row, None) for row in self.gallery.spread(n, self.choice)]

    def artwork(self, row: int, score: float | None = None) -> Hung:
        """Return an artwork."""
        known, thumb = self.collection.metadata(row), self.collection.thumbnail(row)
        heading, *others = (known[column] for column in self.collection.show)
        href = self.address(id=known[self.collection.about["id_column"]], url="", n=None)
        src = f"/similar/{quote(self.gallery.name, safe='')}/thumb?v={Asset(thumb, 'image/jpeg').tag}&row={row}"
        width, height = Image.open(io.BytesIO(thumb), formats=["JPEG"]).size
        return Hung(src, width, height, heading or "Untitled", [line for line in others if line], href, score)

    def details(self, row: int) -> list[Pair]:
        """Return what is known of an artwork beyond its heading, addresses of pictures left out."""
        heading = self.collection.show[0]
        known = self.collection.metadata(row)
        names = [name for name in dict.fromkeys([*self.collection.show, *known]) if name != heading]
        return [(name, known[name]) for name in names if known[name] and not is_address(known[name])]

    def facets(self) -> list[Facet]:
        """Return what there is to choose from, the most frequent labels first."""
        return [self.facet(column) for column in self.collection.blocks]

    def facet(self, column: str) -> Facet:
        """Return the labels of a column."""
        counts = self.collection.facets[column]
        chosen = {label for name, label in self.choice.kept if name == column}
        ordered = sorted((label for label in counts if label), key=lambda label: (-counts[label], label))
        shown = [label for number, label in enumerate(ordered) if number < LISTED or label in chosen]
        labels = [(label, counts[label], label in chosen) for label in shown]
        return Facet(column, word(column), labels, len(ordered) - len(shown))

    def others(self) -> list[tuple[str, str, str, str]]:
        """Return the conditions that no facet shows: their words in an address, in a sentence, and what is left.

        What is left is an address; it is empty beyond the first few: each is as long as all conditions together.
        """
        found: list[tuple[str, str, str, str]] = []
        shown = set(map(word, self.collection.blocks))
        words = [(pair, urlencode([pair])) for pair in pairs(self.question)]
        for name, label in pairs(Question(choice=self.choice)):
            if name not in shown:
                said = f"not {name.removeprefix(NOT)}" if name.startswith(NOT) else name.removeprefix(IS)
                rest = "&".join(part for pair, part in words if pair != (name, label))
                left = addressed(self.gallery.name, rest) if len(found) < LINKED else ""
                found.append((name, label, f"{said}: {label}", left))
        return found


def address(index: str, asked: Question) -> str:
    """Return the address of a question about an index."""
    return addressed(index, urlencode(list(pairs(asked))))


def addressed(index: str, words: str) -> str:
    """Return the address of an index, with a query string where there is one."""
    return f"/similar/{quote(index, safe='')}{'?' if words else ''}{words}"


def pairs(asked: Question) -> list[Pair]:
    """Return a question as the names and values of an address."""
    found = [("url", asked.url), ("id", asked.id)]
    found += [(word(column), label) for column, label in asked.choice.kept]
    found += [(f"{NOT}{column}", label) for column, label in asked.choice.excluded]
    found += [("query", label) for label in asked.choice.anywhere]
    return [pair for pair in [*found, ("n", str(asked.n or ""))] if pair[1]]


def word(column: str) -> str:
    """Return a column's name in an address."""
    return f"{IS}{column}" if column in WORDS or column.startswith((NOT, IS)) else column


def seen(picture: bytes, max_pixels: int) -> Hung:
    """Return the picture that was looked at, inside its address."""
    image = decode(picture, SEEN, max_pixels)
    image.thumbnail((SEEN, SEEN))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    src = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Hung(src, image.width, image.height, "", [])


def is_address(value: str) -> bool:
    """Tell whether a value is a URL, or the path of a picture."""
    return "://" in value or value.lower().endswith(PICTURES)
