"""Our layers around BentoML's: a request is turned away before anything is done for it but counting it."""

from typing import Any

from _bentoml_sdk import Service
from starlette.applications import Starlette
from starlette.middleware import Middleware

from bento.cors import Cors
from bento.entrance import Entrance
from bento.label import Labelled, Restored
from bento.settings import settings

METRICS = "RunnerTrafficMetricsMiddleware"
TIMEOUT = "TimeoutMiddleware"  # leaves 3 kB behind for every request until its time is over; ours are kept by the desk


class Layered(Service):  # type: ignore[misc]
    """A BentoML service whose only mounted application is ours."""

    def to_asgi(self, is_main: bool = True) -> Starlette:
        """Return BentoML's application, with our layers around the metrics and right within them."""
        app: Starlette = super().to_asgi(is_main)
        ours: Any = self.mount_apps[0][0]
        layers = app.user_middleware = [layer for layer in app.user_middleware if named(layer) != TIMEOUT]
        within = 1 + next((at for at, layer in enumerate(layers) if named(layer) == METRICS), -1)
        layers[within:within] = [
            Middleware(Restored),
            Middleware(Cors, origins=settings().cors),
            Middleware(Entrance, state=ours.state),
        ]
        app.add_middleware(Labelled, inner=ours)
        return app


def named(layer: Middleware) -> str:
    """Return the name of a layer's class."""
    return getattr(layer.cls, "__name__", "")
