"""A museum's web server on loopback: pictures by number, and every way in which one may not come."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = b"<!DOCTYPE html><html><body>Sign in to see this picture</body></html>"


def image(number: int | str) -> bytes:
    """Return bytes that begin as a JPEG does, others for every number."""
    return b"\xff\xd8\xff\xe0" + f"picture {number} ".encode() * 20


class Museum(ThreadingHTTPServer):
    """Answers `/<how>/<number>.jpg`; counts what is asked for, and how many requests are under way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.times: dict[str, list[float]] = {}
        self.busy = self.busiest = 0
        self.pause = 0.0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients hang up on purpose."""


class Desk(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Museum

    def do_GET(self) -> None:
        _, how, name = self.path.split("/", 2)
        with self.server.lock:
            self.server.asked[self.path] += 1
            self.server.times.setdefault(self.path, []).append(time.monotonic())
            self.server.agents.add(self.headers["User-Agent"])
            self.server.busy += 1
            self.server.busiest = max(self.server.busiest, self.server.busy)
            self.first = self.server.asked[self.path] == 1
        try:
            time.sleep(self.server.pause)
            self.content = image(name.partition(".")[0])
            getattr(self, f"do_{how}", self.do_missing)()
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def answer(self, status: int, content: bytes, *, length: int | None = None, **head: str) -> None:
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def do_ok(self) -> None:
        self.answer(200, self.content)

    def do_missing(self) -> None:
        self.answer(404, PAGE)

    def do_forbidden(self) -> None:
        self.answer(403, PAGE)

    def do_page(self) -> None:
        self.answer(200, PAGE, Content_Type="image/jpeg")

    def do_text(self) -> None:
        self.answer(200, b"no picture at all")

    def do_empty(self) -> None:
        self.answer(200, b"")

    def do_down(self) -> None:
        self.answer(500, PAGE)

    def do_once(self) -> None:
        self.answer(*((500, PAGE) if self.first else (200, self.content)))

    def do_busy(self) -> None:
        if self.first:
            self.answer(429, b"", Retry_After="1")
        else:
            self.answer(200, self.content)

    def do_moved(self) -> None:
        self.answer(302, b"", Location=self.path.replace("moved", "ok"))

    def do_circle(self) -> None:
        self.answer(302, b"", Location=self.path)

    def do_reset(self) -> None:
        if not self.first:
            return self.answer(200, self.content)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        return None

    def do_cut(self) -> None:
        self.answer(200, self.content[:40], length=len(self.content))
        self.close_connection = True

    def do_large(self) -> None:
        self.answer(200, self.content, length=2**31)
        self.close_connection = True

    def do_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(self.content * 100)

    def do_drip(self) -> None:
        self.answer(200, self.content[:4], length=len(self.content))
        with suppress(OSError):
            for byte in self.content[4:]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    def do_head(self) -> None:
        with suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.05)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def museum() -> Iterator[Museum]:
    """Open it for a while."""
    with Museum() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
