"""Which other sites' pages may ask: cross-origin headers on /similar, on its refusals too, and nowhere else."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/similar"


class Cors:
    """ASGI middleware: answers preflights of /similar and lets the pages of these origins read its answers."""

    def __init__(self, app: ASGIApp, origins: list[str]) -> None:
        self.app = app
        methods = ["GET", "HEAD", "POST", "PUT"]
        self.open = CORSMiddleware(app, allow_origins=origins, allow_methods=methods, allow_headers=["*"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        ours = scope["type"] == "http" and (scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"))
        await (self.open if ours else self.app)(scope, receive, send)
