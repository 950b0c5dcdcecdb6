"""The web application that a service mounts: every protocol's routes, and one desk behind them."""

from starlette.applications import Starlette

from bento import openapi, torchserve, v2


def build() -> Starlette:
    """Return the application; the service sets `app.state.desk` when its worker starts."""
    return Starlette(
        routes=[v2.Protocol(), openapi.ROUTE, *torchserve.ROUTES, torchserve.LAST], exception_handlers=torchserve.ERRORS
    )
