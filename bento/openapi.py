"""The OpenAPI description of the Open Inference Protocol as it is served here: `/openapi/v2.json`."""

import json
from functools import cache
from pathlib import Path

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bento.desk import desk
from bento.face import ENCODED, VERSION

FILE = Path(__file__).with_name("v2.openapi.yaml")


@cache
def document() -> str:
    """Return the description as JSON."""
    return json.dumps(yaml.safe_load(FILE.read_text(encoding="utf-8")))


async def describe(request: Request) -> Response:
    """Answer the description, the models' names in it."""
    found = json.loads(document())
    models = desk(request).models
    names = {"model": [*models, *(f"{model}{ENCODED}" for model in models)], "version": [VERSION]}
    for path in found["paths"].values():
        for parameter in path.get("parameters", []):
            parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
    return JSONResponse(found)


ROUTE = Route("/openapi/v2.json", describe)
