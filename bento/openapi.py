"""What is served here, described for programs: `/openapi/<protocol>.json`, the names of models and indexes in it."""

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

from bento import torchserve
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


async def described(request: Request) -> Response:
    """Answer the description of a protocol, the names of models, versions and indexes in it."""
    at, name = desk(request), request.url.path.rpartition("/")[2].removesuffix(".json")
    models, versions = list(at.models), sorted({*chain(*at.versions.values())})
    if name == "v2":
        names = {"model": [*models, *(f"{model}{ENCODED}" for model in models)], "version": versions}
    else:
        minor = [f"{version}{torchserve.MINOR}" for version in versions]
        names = {"model": models, "version": minor, "index": list(at.galleries)}
    return JSONResponse(named(name, names))


PROTOCOLS = ("torchserve", "v2", "base64", "classify", "similar")
ROUTES = [Route(f"/openapi/{name}.json", described) for name in PROTOCOLS]
