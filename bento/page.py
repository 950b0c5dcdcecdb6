"""The web page of every model, `/classify/<model>`, and its JSON twin: one picture in, every label out."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bento import protocol
from bento.accept import wants_page
from bento.body import upload
from bento.desk import desk
from bento.examples import Example, chosen
from bento.guard import guarded
from bento.model import Model
from bento.render import ASSETS, Asset, page
from bento.sentences import BROKEN, LOST, NothingSent, sentence, too_large
from bento.verdict import Verdict, look

PREFIX = "/classify/"
MODEL = PREFIX + "{model}"


async def home(request: Request) -> Response:
    """Show the page of the only model, or the list of all; the page of the only index is at its own address."""
    models, galleries = list(desk(request).models.values()), list(desk(request).galleries)
    if len(galleries) == 1 and not models:
        return RedirectResponse(f"/similar/{quote(galleries[0], safe='')}", 307)
    return of_model(request, models[0]) if len(models) == 1 and not galleries else of_all(request)


async def model(request: Request) -> Response:
    """Show a model's page, or classify what was sent to it."""
    if request.method in ("POST", "PUT"):
        return await classify(request)
    return of_model(request, desk(request).model(request.path_params["model"]))


async def classify(request: Request) -> Response:
    """Answer what a model says of a picture, as a page or as JSON; the work happens in the desk's threads."""
    at, model = desk(request), desk(request).model(request.path_params["model"])
    sent, seen = await upload(request), wants_page(request.headers)
    request.state.file = sent.name
    example = None if sent.example is None else chosen(model.examples, sent.example)
    picture = example.picture if example else sent.data
    if not picture and not sent.name:
        raise NothingSent("no picture; send one as the body (curl -T image.jpg) or as the file of a form")
    verdict = await at.run(partial(look, model, picture, at.settings.min_confidence, seen))
    if not seen:
        return JSONResponse(verdict.record, headers={"Cache-Control": "no-store"})
    return of_model(request, model, verdict=verdict, example=example, file=sent.name)


async def example_picture(request: Request) -> Response:
    """Answer an example."""
    return as_jpeg(request, asked(request).picture)


async def thumb(request: Request) -> Response:
    """Answer a small picture of an example."""
    return as_jpeg(request, asked(request).thumb)


def asked(request: Request) -> Example:
    """Return the example of a request's path."""
    model = desk(request).model(request.path_params["model"])
    return chosen(model.examples, request.path_params["number"])


def as_jpeg(request: Request, content: bytes) -> Response:
    """Answer a picture of the package."""
    return Asset(content, "image/jpeg").respond(request)


async def file(request: Request) -> Response:
    """Answer a static file."""
    return ASSETS[request.url.path.rpartition("/")[2]].respond(request)


def of_model(
    request: Request,
    model: Model,
    status: int = 200,
    *,
    verdict: Verdict | None = None,
    example: Example | None = None,
    file: str = "",
    problem: str = "",
) -> Response:
    """Return a model's page, with a verdict or a problem where there is one."""
    thumbs = [Asset(item.thumb, "image/jpeg").tag for item in model.examples]
    found = {"model": model, "verdict": verdict, "example": example, "file": file, "problem": problem}
    words = {"over": too_large(desk(request).settings.max_body), "lost": LOST, "broken": BROKEN}
    kept = "no-store" if request.method in ("POST", "PUT") else "no-cache"
    return page("classify.html", at_home(request) | found | words | {"thumbs": thumbs}, status, kept)


def of_all(request: Request, status: int = 200, problem: str = "") -> Response:
    """Return the page that lists every model."""
    return page("index.html", at_home(request) | {"problem": problem}, status)


def at_home(request: Request) -> dict[str, Any]:
    """Return what every page shows."""
    at = desk(request)
    return {"models": list(at.models.values()), "galleries": list(at.galleries.values()), "settings": at.settings}


async def failed(request: Request, error: Exception) -> Response:
    """Answer an error: a program as every protocol does, a person with the model's page and a sentence."""
    return await refused(request, error, again)


def again(request: Request, status: int, problem: str) -> Response:
    """Return the page of the request's model, or of all, with a problem."""
    model = desk(request).models.get(request.path_params.get("model", ""))
    return of_model(request, model, status, problem=problem) if model else of_all(request, status, problem)


async def refused(request: Request, error: Exception, shown: Callable[[Request, int, str], Response]) -> Response:
    """Answer an error: a program as every protocol does, a person with a page and a sentence."""
    plain = await (protocol.failed if isinstance(error, tuple(protocol.KNOWN)) else protocol.broken)(request, error)
    if not wants_page(request.headers):
        return plain
    problem = sentence(error, getattr(request.state, "file", ""), desk(request).settings)
    found = shown(request, plain.status_code, problem)
    found.headers.update({name: plain.headers[name] for name in ("Retry-After", "Allow") if name in plain.headers})
    return found


ERRORS: protocol.Handlers = dict.fromkeys(protocol.ERRORS, failed)
ROUTES = [
    Route("/", home),
    Route(MODEL, model, methods=["GET", "POST", "PUT"]),
    Route(MODEL + "/examples/{number}", example_picture),
    Route(MODEL + "/thumbs/{number}", thumb),
    *(Route(f"/static/{name}", file) for name in ASSETS),
]


class Pages(protocol.Protocol):
    """The pages, whose every response has the headers that guard them."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        await super().handle(scope, receive, guarded(send))
