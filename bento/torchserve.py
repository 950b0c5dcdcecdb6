"""TorchServe's protocol: `/predictions/<model>`, `/ping`, and the reading half of its management list."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from bento.body import picture
from bento.desk import Desk, desk
from bento.model import Model
from bento.refusals import Busy, UnknownModel, UnknownVersion
from stages.core.image import NotAPicture, TooLarge, Undecodable

MINOR = ".0"  # version 2 of a package is 2.0 here
ALL = "all"
NOT_FOUND = ("ResourceNotFoundException", "Requested resource is not found, please refer to API document.")
READ = {"GET", "HEAD"}
OTHERS = {"/classify": {"POST"}, **dict.fromkeys(("/healthz", "/livez", "/metrics", "/readyz"), READ)}  # BentoML's own
NOT_ALLOWED = ("MethodNotAllowedException", "Requested method is not allowed, please refer to API document.")


def failure(code: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error in TorchServe's shape."""
    return JSONResponse({"code": code, "type": kind, "message": message}, code, headers)


async def ping(request: Request) -> Response:
    """Say that the worker lives and its models are loaded, and 503 once it is leaving."""
    there = not desk(request).leaving
    return JSONResponse({"status": "Healthy" if there else "Unhealthy"}, 200 if there else 503)


async def predictions(request: Request) -> Response:
    """Answer the most probable label of one picture: `{"dog": 0.80}`."""
    model = asked(request)
    data = await picture(request)
    if not data:
        return failure(400, "BadRequestException", "The body is empty; send a picture: curl -T image.jpg")
    probabilities = await desk(request).run(partial(model.predict, [data]))
    best = int(probabilities[0].argmax())
    return JSONResponse({model.labels[best]: float(probabilities[0, best])})


def asked(request: Request) -> Model:
    """Return the model of a request's path, or raise UnknownModel or UnknownVersion."""
    version: str | None = request.path_params.get("version")
    return desk(request).edition(request.path_params["model"], version and version.removesuffix(MINOR))


async def models(request: Request) -> Response:
    """List the models."""
    names = desk(request).models
    return JSONResponse({"models": [{"modelName": name, "modelUrl": f"{name}.mar"} for name in names]})


async def model(request: Request) -> Response:
    """Describe one model: its default version, the one named, or all."""
    at = desk(request)
    if request.path_params.get("version") != ALL:
        return JSONResponse([description(asked(request), at)])
    name = at.model(request.path_params["model"]).name
    return JSONResponse([description(found, at) for found in at.versions[name].values()])


def description(model: Model, at: Desk) -> dict[str, object]:
    """Return what TorchServe's management API says of a model."""
    return {
        "modelName": model.name,
        "modelVersion": model.version + MINOR,
        "modelUrl": f"{model.name}.mar",
        "runtime": "onnxruntime",
        "minWorkers": at.settings.workers,
        "maxWorkers": at.settings.workers,
        "batchSize": 1,
        "maxBatchDelay": 0,
        "loadedAtStartup": True,
        "workers": [{"id": str(number), "status": "READY", "gpu": False} for number in range(at.settings.workers)],
    }


async def unknown_model(_: Request, error: Exception) -> Response:
    """Answer 404 naming the models there are."""
    assert isinstance(error, UnknownModel)
    return failure(404, "ModelNotFoundException", error.message)


async def unknown_version(request: Request, error: Exception) -> Response:
    """Answer 404 naming the versions there are."""
    assert isinstance(error, UnknownVersion)
    asked, known = request.path_params["version"][:40], ", ".join(f"{version}{MINOR}" for version in error.known)
    message = f"Model version: {asked} does not exist for model: {error.model}. There is {known}"
    return failure(404, "ModelVersionNotFoundException", message)


async def malformed(_: Request, error: Exception) -> Response:
    """Answer what Starlette refuses, a malformed form say, in this protocol's shape."""
    assert isinstance(error, HTTPException)
    return failure(error.status_code, "BadRequestException", str(error.detail))


async def busy(_: Request, error: Exception) -> Response:
    """Answer 503 and when to come again."""
    assert isinstance(error, Busy)
    return failure(503, "ServiceUnavailableException", str(error), {"Retry-After": str(error.after)})


async def undecodable(_: Request, error: Exception) -> Response:
    """Answer 415 to what is no picture, 413 to one too large, 400 to a broken one."""
    if isinstance(error, NotAPicture):
        return failure(415, "UnsupportedMediaTypeException", f"Not a picture: {error}")
    if isinstance(error, TooLarge):
        return failure(413, "PayloadTooLargeException", f"The picture is too large: {error}")
    return failure(400, "BadRequestException", f"The picture cannot be decoded: {error}")


async def broken(_: Request, __: Exception) -> Response:
    """Answer 500 without telling what went wrong inside; the log does."""
    return failure(500, "InternalServerException", "Prediction failed")


ROUTES = [
    Route("/ping", ping),
    Route("/predictions/{model}", predictions, methods=["POST", "PUT"]),
    Route("/predictions/{model}/{version}", predictions, methods=["POST", "PUT"]),
    Route("/models", models),
    Route("/models/{model}", model),
    Route("/models/{model}/{version}", model),
]


async def elsewhere(request: Request) -> Response:
    """Answer 405 where the path is known but not the method, else 404."""
    found = [route for route in ROUTES if route.matches(request.scope)[0] == Match.PARTIAL]
    known = {method for route in found for method in route.methods or ()} | OTHERS.get(request.url.path, set())
    if not known:
        return failure(404, *NOT_FOUND)
    return failure(405, *NOT_ALLOWED, {"Allow": ", ".join(sorted(known))})


class Elsewhere(Route):
    """Every path that is nobody's; BentoML adds its own pages behind this route, so it lets them pass."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match all but BentoML's pages."""
        path = scope["path"]
        own = path in ("/", "/docs.json")
        return (Match.NONE, {}) if own else super().matches(scope)


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
LAST = Elsewhere("/{path:path}", elsewhere, methods=METHODS)
ERRORS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    UnknownModel: unknown_model,
    UnknownVersion: unknown_version,
    Busy: busy,
    Undecodable: undecodable,
    HTTPException: malformed,
    500: broken,
}
