"""One file off a web server: within a size and a time, its name given, its wish to be asked later heard."""

import math
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import urllib3

from stages.core.download import BLOCK_SIZE
from stages.core.errors import UserError, first_line
from stages.fetch.limits import CONNECT, READ, Damaged, Limits, meaning, refuse_large

AGENT = "Bestiary (pipeline for image models; fetches what a published table names)"
LATER = 30.0  # seconds: a server that wishes to be asked later than that is asked then
HOPS = 5
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)  # may hold a password or a signature
MALFORMED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
    UnicodeError,
)


class Web:
    """A web server."""

    attempts = 10

    def __init__(self, scheme: str, connections: int, limits: Limits) -> None:
        self._scheme, self._limits = scheme, limits
        self._session = requests.Session()
        self._session.max_redirects = HOPS
        self._session.headers.update({"User-Agent": AGENT, "Accept-Encoding": "identity"})
        for start in ("http://", "https://"):
            self._session.mount(start, Adapter(limits.seconds, pool_connections=64, pool_maxsize=connections))

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Ask for the file; its body is not read where it has the size of what we have."""
        url = f"{self._scheme}://{bucket}/{key}"
        deadline = time.monotonic() + self._limits.seconds
        with said(), self._session.get(url, stream=True, timeout=(CONNECT, READ)) as answer:
            if not answer.ok:
                raise meaning(answer.status_code, answer.reason, later(answer.headers.get("Retry-After")))
            size = announced(answer)
            refuse_large(size, self._limits.largest)
            if have is not None and have.stat().st_size == size:
                return None
            content = b"".join(blocks(answer, self._limits, deadline))
        if size not in (-1, len(content)):
            raise Damaged(f"{len(content)} of {size} bytes")
        return content


class Adapter(requests.adapters.HTTPAdapter):
    """Connections on which the head of an answer must come within some seconds, however it drips."""

    def __init__(self, seconds: float, **options: Any) -> None:
        self._seconds = seconds
        super().__init__(**options)

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        """Have the pools make such connections."""
        super().init_poolmanager(*words, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": timed(urllib3.HTTPConnectionPool, self._seconds),
            "https": timed(urllib3.HTTPSConnectionPool, self._seconds),
        }


def timed(pool: Any, seconds: float) -> Any:
    """Return a kind of connection pool whose connections are cut where an answer's head takes longer."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def getresponse(self) -> Any:
            """Wait for the head of the answer."""
            timer = threading.Timer(seconds, cut, [self.sock])
            timer.daemon = True
            timer.start()
            try:
                return super().getresponse()
            finally:
                timer.cancel()

    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": Connection})


def cut(connection: socket.socket) -> None:
    """End a connection; whoever reads from it gets an error."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def said() -> Iterator[None]:
    """Turn the client's errors into ours, in words that name no address in memory."""
    try:
        yield
    except MALFORMED as error:
        raise UserError(ADDRESS.sub("…", first_line(error))) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise Damaged("timed out") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Damaged(f"the connection failed ({first_line(innermost(error))})") from error


def innermost(error: BaseException) -> BaseException:
    """Return the error that led to all others."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def announced(answer: requests.Response) -> int:
    """Return how many bytes an answer says it has, -1 where it does not or packs them."""
    packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and not packed else -1


def blocks(answer: requests.Response, limits: Limits, deadline: float) -> Iterator[bytes]:
    """Yield an answer's bytes as they come, as many and as long as allowed."""
    count = 0
    while block := answer.raw.read1(BLOCK_SIZE, decode_content=True):
        count += len(block)
        refuse_large(count, limits.largest)
        if time.monotonic() > deadline:
            raise Damaged(f"not complete after {limits.seconds:g} s")
        yield block


def later(wish: str | None) -> float | None:
    """Return for how many seconds a server wishes not to be asked, within reason; None where it says nothing."""
    if not wish:
        return None
    try:
        seconds = float(wish) if wish.strip().isdigit() else (at(wish) - datetime.now(UTC)).total_seconds()
    except ValueError:
        return None
    return min(LATER, max(0.0, seconds)) if math.isfinite(seconds) else None


def at(date: str) -> datetime:
    """Return the time that an HTTP date names."""
    found = parsedate_to_datetime(date)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
