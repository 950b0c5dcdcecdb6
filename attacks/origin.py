"""A web server on loopback to download from: slow enough to be killed in, resumable, the same at every start."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stages.core.files import hash_bytes

BLOCK = 2**15


class Origin(ThreadingHTTPServer):
    """Serves the files given, so many bytes a second."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes], rate: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.rate = dict(files), rate
        self.sent = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET, also for the rest of a file."""

    server: Origin

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer a file, or its rest where `If-Range` still holds."""
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        tag = f'"{hash_bytes(content)[:16]}"'
        wanted = self.headers.get("Range") if self.headers.get("If-Range") in (None, tag) else None
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if wanted and start >= len(content):
            self.head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        told = {"ETag": tag, "Content-Length": str(len(content) - start)}
        if wanted:
            told["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.head(206 if wanted else 200, told)
        self.pour(content[start:])

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def pour(self, content: bytes) -> None:
        """Send bytes at the server's rate, until the client is gone."""
        try:
            for start in range(0, len(content), BLOCK):
                part = content[start : start + BLOCK]
                self.wfile.write(part)
                self.server.sent += len(part)
                time.sleep(len(part) / self.server.rate)
        except OSError:
            self.close_connection = True


@contextmanager
def origin(files: Mapping[str, bytes], rate: float) -> Iterator[Origin]:
    """Serve files in a thread."""
    with Origin(files, rate) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def folder_files(folder: Path) -> dict[str, bytes]:
    """Return name → bytes of every file below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
