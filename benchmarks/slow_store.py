"""A store that answers every GET with one object, after a latency: `uvicorn benchmarks.slow_store:app`."""

import asyncio
import hashlib

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

LATENCY = 0.02
CONTENT = bytes(range(256)) * 80
ETAG = f'"{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"'


async def ready(_: Request) -> Response:
    """Say that it is up."""
    return Response()


async def item(_: Request) -> Response:
    """Answer the object."""
    await asyncio.sleep(LATENCY)
    return Response(CONTENT, headers={"ETag": ETAG})


app = Starlette(routes=[Route("/readyz", ready), Route("/{path:path}", item)])
