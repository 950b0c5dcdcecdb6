"""The web application that a service mounts: every protocol's routes, and one desk behind them."""

from starlette.applications import Starlette

from bento import nuclio, openapi, page, similar, torchserve, v2
from bento.protocol import Protocol


def build() -> Starlette:
    """Return the application; the service sets `app.state.desk` when its worker starts."""
    protocols = [Protocol(module.PREFIX, module.ROUTES) for module in (v2, nuclio)]
    pages = page.Pages(page.PREFIX, page.ROUTES, page.ERRORS)
    search = page.Pages(similar.PREFIX, similar.ROUTES, similar.ERRORS)
    routes = [*protocols, search, pages, *openapi.ROUTES, *torchserve.ROUTES, torchserve.LAST]
    return Starlette(routes=routes, exception_handlers=torchserve.ERRORS)
