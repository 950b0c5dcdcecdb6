"""The Open Inference Protocol (v2) of KServe and Triton, over HTTP, for every model and for `<model>_jpeg`.

https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol, with Triton's extensions
binary tensor data, classification and model configuration.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from bento.desk import Busy, UnknownModel, desk
from bento.encoding import Bloated, Damaged, Unknown
from bento.face import ENCODED, VERSION, Face
from bento.infer import answer
from bento.tensors import Malformed
from stages.preprocess.decode import NotAPicture, TooLarge, Undecodable

PREFIX = "/v2"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration"]


def face(request: Request) -> Face:
    """Return the model of a request's path, or raise UnknownModel."""
    name, wanted = request.path_params["model"], request.path_params.get("version", VERSION)
    known = desk(request).models
    encoded = name not in known and name.endswith(ENCODED) and name.removesuffix(ENCODED) in known
    if not encoded and name not in known:
        raise UnknownModel(name, [*known, *(f"{model}{ENCODED}" for model in known)])
    if wanted != VERSION:
        raise HTTPException(404, f"Model {name} has no version {wanted}; there is {VERSION}")
    return Face(name, known[name.removesuffix(ENCODED) if encoded else name], encoded)


async def server(_: Request) -> Response:
    """Describe the server."""
    return JSONResponse({"name": "bestiary", "version": version("bentoml"), "extensions": EXTENSIONS})


async def live(_: Request) -> Response:
    """Say that the process lives."""
    return JSONResponse({"live": True})


async def ready(_: Request) -> Response:
    """Say that every model is loaded."""
    return JSONResponse({"ready": True})


async def model_ready(request: Request) -> Response:
    """Say that one model is loaded."""
    return JSONResponse({"name": face(request).name, "ready": True})


async def metadata(request: Request) -> Response:
    """Describe a model's tensors."""
    return JSONResponse(face(request).metadata)


async def config(request: Request) -> Response:
    """Return Triton's configuration of a model."""
    return JSONResponse(face(request).config)


async def infer(request: Request) -> Response:
    """Answer an inference request; all but reading the body happens in the desk's threads."""
    found = face(request)
    body = await request.body()
    return await desk(request).run(partial(answer, found, body, dict(request.headers), desk(request).settings.max_body))


def failure(code: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error in the protocol's shape."""
    return JSONResponse({"error": message}, code, headers)


async def failed(_: Request, error: Exception) -> Response:
    """Answer an error that says itself what is wrong."""
    if isinstance(error, Busy):
        return failure(503, str(error), {"Retry-After": str(error.after)})
    if isinstance(error, HTTPException):
        return failure(error.status_code, str(error.detail), dict(error.headers or {}))
    if isinstance(error, UnknownModel):
        return failure(404, error.message)
    code = next(code for kind, code in CODES.items() if isinstance(error, kind))
    return failure(code, str(error))


async def broken(_: Request, __: Exception) -> Response:
    """Answer 500 without telling what went wrong inside; the log does."""
    return failure(500, "inference failed")


CODES = {Malformed: 400, Bloated: 413, Damaged: 400, Unknown: 415, NotAPicture: 415, TooLarge: 413, Undecodable: 400}
ERRORS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    **dict.fromkeys((Busy, HTTPException, UnknownModel, *CODES), failed),
    500: broken,
}
MODEL = PREFIX + "/models/{model}"
ROUTES = [
    Route(PREFIX, server),
    Route(PREFIX + "/health/live", live),
    Route(PREFIX + "/health/ready", ready),
    *(
        Route(base + path, endpoint, methods=methods)
        for base in (MODEL, MODEL + "/versions/{version}")
        for path, endpoint, methods in (
            ("", metadata, ["GET"]),
            ("/ready", model_ready, ["GET"]),
            ("/config", config, ["GET"]),
            ("/infer", infer, ["POST"]),
        )
    ),
]


class Protocol(BaseRoute):
    """Everything under /v2, as an application of its own: its errors have a shape of their own."""

    def __init__(self) -> None:
        self.inner = Starlette(routes=ROUTES, exception_handlers=ERRORS)
        self.inner.router.redirect_slashes = False

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match /v2 and every path below it."""
        path = scope["path"]
        return (Match.FULL, {}) if path == PREFIX or path.startswith(PREFIX + "/") else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; the worker's desk is the outer application's."""
        self.inner.state = scope["app"].state
        await self.inner(scope, receive, send)
