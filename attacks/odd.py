"""`python -m attacks.odd`: requests that no client should send, and bodies that grow when they are read.

They are answered 2xx or 4xx, or cut off; and the service goes on as before.
"""

import argparse
import base64
import gzip
import io
import json
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from attacks.served import BOUNDARY, FORM, INFER, SIZE, form, honest
from attacks.service import MODEL, WHERE, attacked, laid_out
from attacks.trial import ANY, COLUMNS, PLAIN, SLOWEST, THEIRS, Trial, held
from attacks.verdict import verdict
from benchmarks.load import Client, Question, Seen
from benchmarks.packages import package
from benchmarks.server import Server

PATIENCE = 3.0  # seconds: `bento.client_timeout` of the attacked service
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
PATHS = (
    WHERE, "/", "/ping", "/models", f"/classify/{MODEL}", "/classify", "/base64", INFER, "/v2", "/v2/health/ready",
    "/similar", "/openapi/v2.json", "/docs.json", "/metrics", "/readyz", "/static/page.css", "/static/unknown",
)  # fmt: skip
TRAVERSING = (
    "/static/../service.py", "/static/..%2fservice.py", "/static/%2e%2e/%2e%2e/params.yaml", "/static/....//service.py",
    "/static/..%5c..%5cparams.yaml", "/static//etc/passwd", "/static/%00", "/predictions/..%2f..%2fetc%2fpasswd",
    "/predictions/%00", "/predictions/%ff%fe", "/predictions/%", "/predictions/%zz", "/predictions/a%0ab",
    "/predictions/a%0d%0aX-Injected:%201", "//evil.example/", "/classify/%3Cscript%3E", "/models/..;/",
    "/v2/models/%2e%2e", "/classify/x/examples/../../..", "/static_content/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd", "/" + "a" * 20000,
)  # fmt: skip


def asked_oddly(server: Server) -> Iterator[Trial]:
    """Send every method to every path, and paths that lead out of where they should."""
    client = Client(server.address)
    trial = Trial("methods")
    for path in PATHS:
        for method in METHODS:
            trial.take(f"{method} {path}", client.ask(Question(path, method=method)), ANY)
    yield trial
    trial = Trial("paths that lead out")
    for path in TRAVERSING:
        seen = spoken(server.address, f"GET {path} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n".encode())
        trial.take(path[:60], seen, ANY, range(300, 500))
        if b"root:" in seen.body or b"bento:" in seen.body or b"x-injected" in seen.body.lower():
            trial.faults.append(f"{path}: led out")
    yield trial


def head(*lines: str, path: str = WHERE, method: str = "POST") -> bytes:
    """Return the head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: service", *lines, "", ""]).encode("latin-1")


HEADS = {
    "two lengths": head("Content-Length: 5", "Content-Length: 6") + b"hello",
    "two equal lengths": head("Content-Length: 5", "Content-Length: 5") + b"hello",
    "a negative length": head("Content-Length: -1") + b"hello",
    "a length that is none": head("Content-Length: 5x") + b"hello",
    "a length of 30 digits": head("Content-Length: " + "9" * 30) + b"hello",
    "a length and chunks": head("Content-Length: 5", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    "chunks twice": head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "chunks of an unknown coding": head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "a chunk of a bad size": head("Transfer-Encoding: chunked") + b"zz\r\nhello\r\n0\r\n\r\n",
    "a chunk of a huge size": head("Transfer-Encoding: chunked") + b"f" * 40 + b"\r\nhello",
    "a chunk that is cut off": head("Transfer-Encoding: chunked") + b"5\r\nhel",
    "a length that is not kept": head("Content-Length: 5000") + b"hello",
    "a header of 100 kB": head("X-Long: " + "a" * 100_000, "Content-Length: 0"),
    "10,000 headers": head(*(f"X-{number}: 1" for number in range(10_000)), "Content-Length: 0"),
    "a line feed alone": b"POST / HTTP/1.1\nHost: service\nContent-Length: 0\n\n",
    "a carriage return in a header": head("X-Odd: a\rb", "Content-Length: 0"),
    "a zero byte in a header": head("X-Odd: a\0b", "Content-Length: 0"),
    "a folded header": head("X-Odd: a", " b", "Content-Length: 0"),
    "no host": f"POST {WHERE} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode(),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": b"GET / HTTP/3.7\r\nHost: service\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "noise": bytes(range(256)) * 4,
    "another server's address": f"GET http://evil.example{WHERE} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode(),
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: service\r\n\r\n",
    "an unknown expectation": head("Expect: 999-wonders", "Content-Length: 0"),
    "a WebSocket": head(
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c2VydmljZQ==",
        path="/", method="GET",
    ),
    "HTTP/2 by upgrade": head("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA",
        path="/ping", method="GET",
    ),
    "a range": head("Range: bytes=0-1,5-2,-1", path="/static/page.css", method="GET"),
}  # fmt: skip


def worded_oddly(server: Server) -> Iterator[Trial]:
    """Send heads that are no HTTP, or two things at once."""
    trial, start = Trial("heads"), held(server)
    for name, request in HEADS.items():
        trial.take(name, spoken(server.address, request), ANY, (0, *range(101, 500)))
    trial.growth = held(server) - start
    yield trial


def spoken(address: str, request: bytes) -> Seen:
    """Say something on a connection of its own and return the status of what comes back; 0 is nothing."""
    host, _, port = address.partition(":")
    begun, said = time.perf_counter(), b""
    with suppress(OSError), socket.create_connection((host, int(port)), PATIENCE + SLOWEST) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        while b"\r\n\r\n" not in said and (part := connection.recv(65536)):
            said += part
        connection.settimeout(0.1)
        while part := connection.recv(65536):
            said += part
    status = said[9:12]
    took = 0.0 if said else time.perf_counter() - begun - PATIENCE
    return Seen(int(status) if status.isdigit() else 0, begun, took, {}, said)


def loaded(server: Server) -> Iterator[Trial]:
    """Send bodies that grow when they are unpacked, parsed or decoded."""
    client = Client(server.address)
    for name, (question, shape, allowed) in heavy().items():
        trial, start = Trial(name), held(server)
        trial.take(name, client.ask(question), shape, allowed)
        trial.growth = held(server) - start
        yield trial


def heavy() -> dict[str, tuple[Question, frozenset[str], Iterable[int]]]:
    """Return such bodies, the shape of their refusal and its statuses."""
    bomb = gzip.compress(bytes(2**30), 9)
    parts = b"".join(form(b"x").removesuffix(f"--{BOUNDARY}--\r\n".encode()) for _ in range(10_000))
    many = parts + f"--{BOUNDARY}--\r\n".encode()
    deep = b"[" * 5_000_000
    file = io.BytesIO()
    Image.new("RGB", (5000, 5000)).save(file, "PNG", compress_level=9)
    encoded = base64.b64encode(file.getvalue()).decode()
    batch = json.dumps({"data": [{"path": str(number), "encoded": encoded} for number in range(64)]}).encode()
    zipped = {"Content-Encoding": "gzip"}
    return {
        "a gzip bomb of 1 GB to v2": (Question(INFER, bomb, zipped), PLAIN, [413]),
        "10,000 parts to classify": (Question(f"/classify/{MODEL}", many, FORM), PLAIN, [400]),
        "10,000 parts to TorchServe": (Question(WHERE, many, FORM), THEIRS, [400]),
        "10,000 parts to the typed route": (Question("/classify", many, FORM), ANY, [400]),
        "deep JSON to v2": (Question(INFER, deep), PLAIN, [400]),
        "deep JSON to base64": (Question("/base64", deep), PLAIN, [400]),
        "64 pictures of 25 megapixels": (Question("/base64", batch), PLAIN, [413]),
    }


def attack(server: Server) -> Iterator[Trial]:
    """Send everything, and ask an honest question after each kind."""
    for kind in (worded_oddly, asked_oddly, loaded):
        for trial in kind(server):
            honest(trial, server)
            yield trial


def main() -> int:
    """Attack a service of its own."""
    argparse.ArgumentParser(prog="python -m attacks.odd", description=__doc__).parse_args()
    with TemporaryDirectory() as scratch:
        package(Path(scratch), size=SIZE)
        with attacked(laid_out(Path(scratch) / "code", client_timeout=PATIENCE), Path(scratch)) as server:
            found = list(attack(server))
    return verdict(COLUMNS, ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
