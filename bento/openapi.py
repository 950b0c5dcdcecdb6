"""What is served here, described for programs: `/openapi/v2.json` and `/openapi/similar.json`."""

import json
from collections.abc import Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bento.desk import desk
from bento.face import ENCODED

FOLDER = Path(__file__).parent


@cache
def document(name: str) -> str:
    """Return a description as JSON."""
    return json.dumps(yaml.safe_load((FOLDER / f"{name}.openapi.yaml").read_text(encoding="utf-8")))


def named(name: str, names: Mapping[str, list[str]]) -> Any:
    """Return a description, with the names that a part of a path may be."""
    found = json.loads(document(name))
    for path in found["paths"].values():
        for parameter in path.get("parameters", []):
            if names.get(parameter["name"]):
                parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
    return found


async def v2(request: Request) -> Response:
    """Answer the description of the Open Inference Protocol, the models' names in it."""
    models = desk(request).versions
    versions = sorted({*chain(*models.values())})
    names = {"model": [*models, *(f"{model}{ENCODED}" for model in models)], "version": versions}
    return JSONResponse(named("v2", names))


async def similar(request: Request) -> Response:
    """Answer the description of the search for similar artworks, the indexes' names in it."""
    return JSONResponse(named("similar", {"index": list(desk(request).galleries)}))


ROUTES = [Route("/openapi/v2.json", v2), Route("/openapi/similar.json", similar)]
