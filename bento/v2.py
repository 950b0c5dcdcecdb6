"""The Open Inference Protocol (v2) of KServe and Triton, over HTTP, for every model and for `<model>_jpeg`.

https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol, with Triton's extensions
binary tensor data, classification and model configuration.
"""

from functools import partial
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bento.desk import desk
from bento.face import ENCODED, Face
from bento.infer import answer
from bento.refusals import UnknownModel

PREFIX = "/v2"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration"]


def face(request: Request) -> Face:
    """Return the model of a request's path, or raise UnknownModel."""
    at, name = desk(request), request.path_params["model"]
    known = at.models
    encoded = name not in known and name.endswith(ENCODED) and name.removesuffix(ENCODED) in known
    if not encoded and name not in known:
        raise UnknownModel(name, [*known, *(f"{model}{ENCODED}" for model in known)])
    plain = name.removesuffix(ENCODED) if encoded else name
    model = at.edition(plain, request.path_params.get("version"))
    return Face(name, model, encoded, list(at.versions[plain]))


async def server(_: Request) -> Response:
    """Describe the server."""
    return JSONResponse({"name": "bestiary", "version": version("bentoml"), "extensions": EXTENSIONS})


async def live(_: Request) -> Response:
    """Say that the process lives."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """Say that every model is loaded, and 503 once the worker is leaving."""
    there = not desk(request).leaving
    return JSONResponse({"ready": there}, 200 if there else 503)


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
