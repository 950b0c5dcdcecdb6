"""Similar artworks: `/similar/<index>?url=|id=&n=&culture=…`, or a picture sent to it; JSON and, for browsers, a page.

`{"results": [[{"Title": …, …}, 0.93], …]}`, the best first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bento import question
from bento.desk import Desk, desk
from bento.gallery import Gallery, Match, Vector
from bento.question import USUAL, Question
from bento.remote import Unfetchable
from bento.render import Asset
from bento.tensors import Malformed
from stages.preprocess.decode import Undecodable

T = TypeVar("T")

PREFIX = "/similar"
INDEX = PREFIX + "/{index}"


@dataclass(frozen=True)
class Found:
    """How many artworks a filter keeps, the best of them, and the picture that was looked at, or its row."""

    kept: int
    matches: list[Match]
    picture: bytes = b""
    row: int | None = None


async def similar(request: Request) -> Response:
    """Answer what is similar to a picture; the work happens in the desk's threads."""
    at, gallery = desk(request), chosen(request)
    asked = (await question.read(request, at.settings.max_results)).checked()
    shown = await answered(at, gallery, asked, partial(record, gallery))
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


def chosen(request: Request) -> Gallery:
    """Return the index of the path, else the only one there is."""
    at, name = desk(request), request.path_params.get("index")
    if name is None and len(at.galleries) != 1:
        there = ", ".join(f"{PREFIX}/{known}" for known in at.galleries)
        raise Malformed(f"index: not chosen; there are {there}") if there else HTTPException(404, "no index is served")
    return at.gallery(name or next(iter(at.galleries)))


async def answered(at: Desk, gallery: Gallery, asked: Question, shown: Callable[[Found], T], usual: int = USUAL) -> T:
    """Return the answer to a question as `shown` makes it; a URL is fetched before it takes a place in the queue."""
    picture = asked.picture
    if asked.url:
        await at.run(partial(gallery.kept, asked.choice))
        picture = await at.remote.fetch(asked.url)
    return await at.run(lambda: shown(search(gallery, asked, picture, asked.n or usual)))


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


def record(gallery: Gallery, found: Found) -> dict[str, Any]:
    """Return the published shape of an answer."""
    return {"results": [[gallery.collection.metadata(match.row), match.score] for match in found.matches]}


async def thumb(request: Request) -> Response:
    """Answer the small picture of a row."""
    gallery, row = chosen(request), request.path_params["row"]
    if row >= len(gallery.collection):
        raise HTTPException(404, f"row {row} does not exist; there are 0 to {len(gallery.collection) - 1}")
    return Asset(gallery.collection.thumbnail(row), "image/jpeg").respond(request)


ROUTES = [
    Route(PREFIX, similar, methods=["GET", "POST", "PUT"]),
    Route(INDEX, similar, methods=["GET", "POST", "PUT"]),
    Route(INDEX + "/thumbs/{row:int}", thumb),
]
