"""A server as a process of its own, on a free port of this machine."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from stages.core.workspace import CODE_ROOT

PATIENCE = 60.0  # seconds for a server to start, or to end


@dataclass(frozen=True)
class Server:
    """A server that runs, and where it listens."""

    address: str
    process: subprocess.Popen[bytes]

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that answer, not the one that watches over them."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]

    @property
    def ready(self) -> bool:
        """Whether it says that it is."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code; what does not end in time is killed."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for one in [*self.workers, self.process]:
                one.kill()
            return self.process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def started(command: list[str], variables: dict[str, str], cwd: Path = CODE_ROOT) -> Iterator[Server]:
    """Run a server on a free port, which is the command's last word, and yield it once it is ready."""
    port = free_port()
    environment = os.environ | variables | {"BENTOML_DO_NOT_TRACK": "True"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*command, str(port)], cwd=cwd, env=environment, stdout=quiet, stderr=quiet)
    server = Server(f"127.0.0.1:{port}", process)
    try:
        while not server.ready:
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended")
            time.sleep(0.02)
        yield server
    finally:
        server.stop()


def seconds_to_ready(command: list[str], variables: dict[str, str], cwd: Path = CODE_ROOT) -> float:
    """Return how long it takes from a command to the first answer of /readyz, seconds."""
    start = time.perf_counter()
    with started(command, variables, cwd):
        return time.perf_counter() - start


@contextmanager
def served(command: list[str], variables: dict[str, str]) -> Iterator[str]:
    """Run a server on a free port and yield its address once it is ready."""
    with started(command, variables) as server:
        yield server.address
