"""The JSON of a Nuclio function: base64 pictures in, a label for each out, computed as one batch.

`{"data": [{"path": "a.jpg", "encoded": "/9j/…"}]}` → `{"a.jpg": {"pred": "dog", "prob": 0.8, "encoded": "/9j/…"}}`
"""

import base64
import json
import re
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento.desk import desk
from bento.model import Model
from bento.tensors import Malformed
from stages.core.image import TooLarge, Undecodable
from stages.core.onnx_model import Outputs

PREFIX = "/base64"
DATA_URL = re.compile(r"^\s*data:[^,]*;base64,", re.IGNORECASE)
SHAPE = '{"data": [{"path": …, "encoded": <base64>}, …]}'


async def batch(request: Request) -> Response:
    """Label the pictures of a request; all but reading the body happens in the desk's threads."""
    at, model = desk(request), chosen(request)
    body = await request.body()
    return await at.run(partial(answer, model, body, at.settings.max_images))


async def root(request: Request) -> Response:
    """Answer at `/` as well, where a Nuclio function answers, if there is one model only."""
    if len(desk(request).models) != 1:
        raise HTTPException(405, f"POST / is for a service of one model; {paths(request)}", {"Allow": "GET, HEAD"})
    return await batch(request)


def chosen(request: Request) -> Model:
    """Return the model of the path or of `?model=`, else the only one there is."""
    known = desk(request).models
    name = request.path_params.get("model") or request.query_params.get("model")
    if not name and len(known) > 1:
        raise Malformed(f"model: not chosen; {paths(request)}, or say ?model=…")
    return desk(request).model(name or next(iter(known)))


def paths(request: Request) -> str:
    """Return what there is to post to, in words."""
    return f"POST to {', '.join(f'{PREFIX}/{name}' for name in desk(request).models)}"


def answer(model: Model, body: bytes, most: int) -> Response:
    """Read a request, compute its pictures as one batch and write the response."""
    sent = read(body, most)
    rows = model.predict_each(picture(encoded) for encoded in sent.values())
    found = {
        path: {"error": f"encoded: {row}"} if isinstance(row, Undecodable) else labelled(model, row, encoded)
        for (path, encoded), row in zip(sent.items(), rows, strict=True)
    }
    # In ASCII: a path may hold half a surrogate pair, which UTF-8 cannot.
    return Response(json.dumps(found, separators=(",", ":")), media_type="application/json")


def labelled(model: Model, row: Outputs, encoded: str) -> dict[str, Any]:
    """Return what is said of a picture."""
    best = int(row.argmax())
    return {"pred": model.labels[best], "prob": float(row[best]), "encoded": encoded}


def read(body: bytes, most: int) -> dict[str, str]:
    """Return path → base64, or raise Malformed, or TooLarge for more than `most`."""
    data = listed(body)
    if len(data) > most:
        raise TooLarge(f"data: {len(data)} pictures in one request, more than {most}")
    found: dict[str, str] = {}
    for number, item in enumerate(data):
        where = f"data[{number}]"
        path = text(item, "path", where)
        if path in found:
            raise Malformed(f"{where}.path: {path[:100]!r} occurs twice; every picture needs a path of its own")
        found[path] = text(item, "encoded", where)
    return found


def listed(body: bytes) -> list[Any]:
    """Return the list under `data`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}; send {SHAPE}") from error
    if not isinstance(content, dict) or "data" not in content:
        raise Malformed(f"data: missing; send {SHAPE}")
    if not isinstance(content["data"], list):
        raise Malformed(f"data: must be a list, not {type(content['data']).__name__}; send {SHAPE}")
    return content["data"]


def text(item: Any, name: str, where: str) -> str:
    """Return a string of an item."""
    if not isinstance(item, dict):
        raise Malformed(f"{where}: must be an object with path and encoded, not {type(item).__name__}")
    if name not in item:
        raise Malformed(f"{where}.{name}: missing")
    found = item[name]
    if not isinstance(found, str):
        raise Malformed(f"{where}.{name}: must be a string, not {type(found).__name__}")
    return found


def picture(encoded: str) -> bytes | Undecodable:
    """Return what base64 encodes, a data URL or in lines even, or why there is nothing."""
    try:
        return base64.b64decode("".join(DATA_URL.sub("", encoded).split()), validate=True)
    except ValueError as error:
        return Undecodable(f"not base64: {error}")


ROUTES = [
    Route(PREFIX, batch, methods=["POST"]),
    Route(PREFIX + "/{model}", batch, methods=["POST"]),
    Route("/", root, methods=["POST"]),
]
