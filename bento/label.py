"""Which path a request counts under in /metrics: as many as there are routes and models, whatever is asked for."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bento import torchserve
from bento.desk import Desk
from bento.face import ENCODED
from bento.protocol import Protocol

OURS = "bestiary.path"  # where the scope keeps the path that was asked for
BENTOML = ("/classify", "/docs.json", "/healthz", "/livez", "/metrics", "/readyz", "/schema.json")
ELSEWHERE = "/{path}"
REMEMBERED = 1000  # paths


class Labelled:
    """ASGI middleware, around BentoML's metrics: shows it the path to count under instead of the one asked for."""

    def __init__(self, app: ASGIApp, inner: Starlette) -> None:
        self.app = app
        self.label = lru_cache(REMEMBERED)(labelling(list(routes(inner.routes)), inner.state))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "lifespan":
            path = scope["path"]
            scope = {**scope, OURS: path, "path": self.label(path)}
        await self.app(scope, receive, send)


class Restored:
    """ASGI middleware, within BentoML's metrics: shows everyone else the path that was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        await self.app({**scope, "path": scope[OURS]} if OURS in scope else scope, receive, send)


def routes(found: Iterable[BaseRoute]) -> Iterator[Route]:
    """Yield the routes of an application, those of its protocols as well; not those that take any path."""
    for route in found:
        if isinstance(route, Protocol):
            yield from routes(route.inner.routes)
        elif isinstance(route, Route) and ":path}" not in route.path:
            yield route


def labelling(known: list[Route], state: State) -> Callable[[str], str]:
    """Return a function that turns a path into what it counts under."""

    def label(path: str) -> str:
        if path in BENTOML:
            return path
        scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
        for route in known:
            match, found = route.matches(scope)
            if match != Match.NONE:
                return named(route.path, found["path_params"], names(state.desk))
        return ELSEWHERE

    return label


def named(template: str, parts: dict[str, str], known: set[str]) -> str:
    """Return a route with the names in it that something has; others stay in braces."""
    for part, name in parts.items():
        if name in known:
            template = template.replace(f"{{{part}}}", name)
    return template


def names(at: Desk) -> set[str]:
    """Return the names that a part of a path may be."""
    versions = {*chain(*at.versions.values())}
    minor = {torchserve.ALL, *(f"{version}{torchserve.MINOR}" for version in versions)}
    return {*versions, *minor, *at.models, *(f"{model}{ENCODED}" for model in at.models), *at.galleries}
