"""The services' application with a desk of its own: in process, or listening on loopback."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from prometheus_client import REGISTRY
from starlette.testclient import TestClient

from bento.app import build
from bento.cors import Cors
from bento.desk import Desk
from bento.entrance import Entrance


def application(desk: Desk) -> Cors:
    """Return the application behind its limit of bodies, as the services have it."""
    app = build()
    app.state.desk = desk
    return Cors(Entrance(app, app.state), desk.settings.cors)


def in_process(desk: Desk) -> TestClient:
    """Return a client that calls the application; an error inside is a 500."""
    return TestClient(application(desk), raise_server_exceptions=False)


@contextmanager
def listening(desk: Desk) -> Iterator[str]:
    """Serve the application on a free port, in a thread; yield host:port."""
    with socket.create_server(("127.0.0.1", 0)) as open_socket:
        server = uvicorn.Server(uvicorn.Config(application(desk), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [open_socket]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"127.0.0.1:{open_socket.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def mounted(service: Any) -> TestClient:
    """Return a client of the application as BentoML mounts it; its metrics are made anew, which is once a process."""
    for collector, names in list(REGISTRY._collector_to_names.items()):
        if any(name.startswith("bentoml_") for name in names):
            REGISTRY.unregister(collector)
    return TestClient(service.to_asgi())
