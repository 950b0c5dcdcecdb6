"""The page of an index for browsers: choose, drop or paste a picture, and see the wall of what is similar."""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bento import protocol, question
from bento.desk import desk
from bento.gallery import Gallery
from bento.page import at_home, of_all, refused
from bento.question import Question
from bento.render import page
from bento.search import Found, answered
from bento.sentences import BROKEN, LOST, too_large
from bento.wall import SHOWN, Wall, address, seen

NOTHING = Question()


async def show(request: Request, gallery: Gallery) -> Response:
    """Answer with the page: of a picture, of an artwork, or a spread of the collection; work is done in threads."""
    at = desk(request)
    asked = preferred(await question.read(request, at.settings.max_results))
    request.state.file, request.state.asked = asked.file, asked
    if request.method in ("POST", "PUT") and not asked.picture and not asked.file:
        return RedirectResponse(f"{address(gallery.name, asked)}#result", 303)
    if asked.whole:
        shown = await answered(at, gallery, asked, partial(matches, gallery, asked, at.settings.max_pixels), SHOWN)
    else:
        shown = await at.run(partial(collection, gallery, asked, min(SHOWN, at.settings.max_results)))
    return rendered(request, gallery, shown)


def preferred(asked: Question) -> Question:
    """Return what a form means: a picture, else an address, else the artwork that was shown."""
    if asked.picture or asked.file:
        return Question(asked.picture, asked.file, n=asked.n, choice=asked.choice)
    return Question(url=asked.url, id="" if asked.url else asked.id, n=asked.n, choice=asked.choice)


def matches(gallery: Gallery, asked: Question, max_pixels: int, found: Found) -> dict[str, Any]:
    """Return what the page shows of an answer."""
    wall = Wall(gallery, asked)
    shown = {"wall": wall, "kept": found.kept, "hung": wall.hang(found.matches), "file": asked.file}
    if found.row is None:
        return shown | {"subject": seen(found.picture, max_pixels), "own": False}
    return shown | {"subject": wall.artwork(found.row), "details": wall.details(found.row), "own": True}


def collection(gallery: Gallery, asked: Question, usual: int) -> dict[str, Any]:
    """Return what the page shows before anything is asked: a spread of what the filters keep."""
    wall = Wall(gallery, asked)
    return {"wall": wall, "kept": gallery.kept(asked.choice), "hung": wall.spread(asked.n or usual), "subject": None}


def rendered(
    request: Request, gallery: Gallery, shown: dict[str, Any], status: int = 200, problem: str = ""
) -> Response:
    """Return the page."""
    settings = desk(request).settings
    words = {"over": too_large(settings.max_body), "lost": LOST, "broken": BROKEN, "problem": problem}
    context = at_home(request) | {"gallery": gallery, "step": SHOWN} | words | shown
    return page("similar.html", context, status, "no-store" if request.method in ("POST", "PUT") else "no-cache")


async def failed(request: Request, error: Exception) -> Response:
    """Answer an error: a program as every protocol does, a person with the collection's page and a sentence."""
    return await refused(request, error, again)


def again(request: Request, status: int, problem: str) -> Response:
    """Return the page of the request's index, or of all there is, with a problem."""
    gallery = desk(request).galleries.get(request.path_params.get("index", ""))
    if gallery is None:
        return of_all(request, status, problem)
    return rendered(request, gallery, unanswered(gallery, getattr(request.state, "asked", NOTHING)), status, problem)


def unanswered(gallery: Gallery, asked: Question) -> dict[str, Any]:
    """Return what the page keeps of a question that was refused: its address and filters, where they can be read."""
    try:
        wall = Wall(gallery, asked)
    except ValueError:
        wall = Wall(gallery, NOTHING)
    return {"wall": wall, "kept": len(gallery.collection), "hung": [], "subject": None}


ERRORS: protocol.Handlers = dict.fromkeys(protocol.ERRORS, failed)
