"""Similar artworks: `/similar/<index>?url=|id=&n=&culture=…`, or a picture sent to it; JSON and, for browsers, a page.

`{"results": [[{"Title": …, …}, 0.93], …]}`, the best first.
"""

from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bento import exhibition, question
from bento.accept import wants_page
from bento.desk import desk
from bento.gallery import Gallery
from bento.render import Asset
from bento.search import Found, answered
from bento.tensors import Malformed

PREFIX = "/similar"
INDEX = PREFIX + "/{index}"
ERRORS = exhibition.ERRORS


async def similar(request: Request) -> Response:
    """Answer what is similar to a picture, as a page or as JSON; the work happens in the desk's threads."""
    at, gallery = desk(request), chosen(request)
    if wants_page(request.headers):
        return await exhibition.show(request, gallery)
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


def record(gallery: Gallery, found: Found) -> dict[str, Any]:
    """Return the published shape of an answer."""
    return {"results": [[gallery.collection.metadata(match.row), match.score] for match in found.matches]}


async def thumb(request: Request) -> Response:
    """Answer the small picture of a row."""
    gallery, row = chosen(request), request.query_params.get("row", "")
    count = len(gallery.collection)
    if not (row.isascii() and row.isdigit() and len(row) < 10 and int(row) < count):
        raise HTTPException(404, f"row {row[:20]!r} does not exist; there are 0 to {count - 1}")
    return Asset(gallery.collection.thumbnail(int(row)), "image/jpeg").respond(request)


ROUTES = [
    Route(PREFIX, similar, methods=["GET", "POST", "PUT"]),
    Route(INDEX, similar, methods=["GET", "POST", "PUT"]),
    Route(INDEX + "/thumb", thumb),  # the row is no part of the path: BentoML keeps metrics for every path
]
