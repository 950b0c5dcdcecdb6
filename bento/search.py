"""A question about an index, answered: what is fetched, what is featurised, what is searched for, and where."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bento.desk import Desk
from bento.gallery import Gallery, Match, Vector
from bento.question import USUAL, Question
from bento.remote import Unfetchable
from stages.core.image import Undecodable

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """How many artworks a filter keeps, the best of them, and the picture that was looked at, or its row."""

    kept: int
    matches: list[Match]
    picture: bytes = b""
    row: int | None = None


async def answered(at: Desk, gallery: Gallery, asked: Question, shown: Callable[[Found], T], usual: int = USUAL) -> T:
    """Return the answer to a question as `shown` makes it; a URL is fetched before it takes a place in the queue."""
    picture = asked.picture
    if asked.url:
        await at.run(partial(gallery.kept, asked.choice))
        picture = await at.remote.fetch(asked.url)
    n = asked.n or min(usual, at.settings.max_results)
    return await at.run(lambda: shown(search(gallery, asked, picture, n)))


def search(gallery: Gallery, asked: Question, picture: bytes, n: int) -> Found:
    """Search for the artworks nearest to another one, or to a picture."""
    kept = gallery.kept(asked.choice)
    if asked.id:
        row = gallery.row(asked.id)
        return Found(kept, gallery.like(gallery.collection.index.vector(row), n, asked.choice, but=row), row=row)
    return Found(kept, gallery.like(features(gallery, asked, picture), n, asked.choice), picture)


def features(gallery: Gallery, asked: Question, picture: bytes) -> Vector:
    """Return what the featuriser says of a picture; what a URL led to is told apart from what was sent."""
    try:
        return gallery.vector(picture)
    except Undecodable as error:
        if asked.url:
            raise Unfetchable(f"url: leads to no picture that can be read: {error}") from error
        raise
