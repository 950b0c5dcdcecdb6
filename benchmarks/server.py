"""A server as a process of its own, on a free port of this machine."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from stages.config import CODE


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def served(command: list[str], variables: dict[str, str]) -> Iterator[str]:
    """Run a server on a free port and yield its address once it is ready."""
    port = free_port()
    environment = os.environ | variables | {"BENTOML_DO_NOT_TRACK": "True"}
    process = subprocess.Popen([*command, str(port)], cwd=CODE, env=environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended") from None
                time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
