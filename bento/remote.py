"""Pictures from the web for strangers: a name is resolved once, checked, and only the address that was checked is
connected to, anew at every redirect. No proxy, cookie or credential is ever used."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import httpcore

from bento.address import is_public
from bento.refusals import Busy
from bento.settings import Settings
from bento.url import PORTS, BadURL, Place, allowed, follow, read

Lookup = Callable[[str, int], list[str]]
REDIRECTS = 3
ATTEMPTS, PATIENCE = 4, 3.0  # addresses of one name that are tried, seconds for each
MOVED = (301, 302, 303, 307, 308)
TEXTS = ("text/", "application/json", "application/xml", "application/xhtml")
HEADERS = {"User-Agent": "bestiary", "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}


class Unfetchable(ValueError):
    """A picture that is not to be fetched, or could not be; the message says why."""


def lookup(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, whatever name it is asked for; TLS still verifies the name."""

    def __init__(self, addresses: list[str], dial: httpcore.AsyncNetworkBackend) -> None:
        self.addresses, self.dial = addresses, dial

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002  # the name is not resolved again
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers."""
        failed: Exception = httpcore.ConnectError("no address")
        for address in self.addresses[:ATTEMPTS]:
            try:
                return await self.dial.connect_tcp(address, port, timeout or PATIENCE, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class Remote:
    """Fetches pictures, a few at once; what more is asked for is turned away."""

    def __init__(
        self,
        settings: Settings,
        lookup: Lookup = lookup,
        dial: httpcore.AsyncNetworkBackend | None = None,
        trust: Callable[[], ssl.SSLContext] = httpcore.default_ssl_context,
    ) -> None:
        self.settings, self.lookup = settings, lookup
        self.dial, self.trust = dial or httpcore.AnyIOBackend(), cache(trust)
        self.allowed = {allowed(entry) for entry in settings.url_hosts}
        self._free = threading.BoundedSemaphore(settings.max_url_fetches)
        # A lookup cannot be called off, so it keeps its place until it ends, even if nobody waits any more.
        self._lookups = threading.BoundedSemaphore(settings.max_url_fetches)
        self._threads = ThreadPoolExecutor(settings.max_url_fetches, thread_name_prefix="lookup")

    async def fetch(self, url: str) -> bytes:
        """Return what lies at a URL, at most `max_body` bytes; raise Unfetchable, or Busy where too many are asked."""
        if not self._free.acquire(blocking=False):
            raise Busy(f"{self.settings.max_url_fetches} pictures are being fetched already", after=1)
        try:
            async with asyncio.timeout(self.settings.url_timeout):
                return await self.through_redirects(read(url))
        except BadURL as error:
            raise Unfetchable(str(error)) from None
        except TimeoutError:
            raise Unfetchable(f"url: no whole picture within {self.settings.url_timeout:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise Unfetchable(f"url: could not be fetched: {str(error) or type(error).__name__}") from None
        finally:
            self._free.release()

    async def through_redirects(self, place: Place) -> bytes:
        """Return the body at the end of a few redirects, each checked like the first URL."""
        for _ in range(REDIRECTS + 1):
            found = await self.one(place)
            if isinstance(found, bytes):
                return found
            place = found
        raise Unfetchable(f"url: redirected more than {REDIRECTS} times")

    async def one(self, place: Place) -> bytes | Place:
        """Return the body of one request, or where it redirects to."""
        backend = Pinned(await self.addresses(place), self.dial)
        url = httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=place.target)
        headers = [("Host", place.authority), *HEADERS.items()]
        trust = self.trust() if place.scheme == "https" else None
        async with (
            httpcore.AsyncConnectionPool(trust, max_connections=1, network_backend=backend) as pool,
            pool.stream("GET", url, headers=headers) as answer,
        ):
            told = {name.lower(): value for name, value in reversed(answer.headers)}
            if answer.status in MOVED:
                return follow(place, told.get(b"location", b""))
            return await self.body(answer, {name: value.decode("latin-1") for name, value in told.items()})

    async def addresses(self, place: Place) -> list[str]:
        """Return the addresses that may be connected to for a place, or raise Unfetchable: one bad, all bad."""
        trusted = {(place.host, place.port), (place.host, None)} & self.allowed
        if (place.host, place.port) not in self.allowed and place.port != PORTS[place.scheme]:
            raise Unfetchable(f"url: port {place.port} is not fetched from; {PORTS[place.scheme]} is")
        if not (trusted or place.literal or "." in place.host):
            raise Unfetchable(f"url: {place.host} is not a public host")
        found = [place.host] if place.literal else await self.resolved(place)
        if not trusted and not all(map(is_public, found)):
            raise Unfetchable(f"url: {place.host} is not a public host")
        return found

    async def resolved(self, place: Place) -> list[str]:
        """Resolve a name, once."""
        if not self._lookups.acquire(blocking=False):
            raise Busy(f"{self.settings.max_url_fetches} names are being looked up already", after=1)
        future = self._threads.submit(self.lookup, place.host, place.port)
        future.add_done_callback(lambda _: self._lookups.release())
        try:
            found = await asyncio.wrap_future(future)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise Unfetchable(f"url: {place.host} is not known")
        return found

    async def body(self, answer: httpcore.Response, told: dict[bytes, str]) -> bytes:
        """Return the body of an answer, never more than `max_body` bytes, and never unpacked."""
        kind, limit = told.get(b"content-type", "").lower(), self.settings.max_body
        if answer.status != 200:
            raise Unfetchable(f"url: answers {answer.status}")
        if kind.startswith(TEXTS):
            raise Unfetchable(f"url: answers {kind.partition(';')[0][:60]}, not a picture")
        if int(told.get(b"content-length", "0")) > limit:
            raise Unfetchable(too_large(limit))
        if told.get(b"content-encoding", "identity") != "identity":
            raise Unfetchable("url: answers compressed, though it was asked not to")
        found = bytearray()
        async for part in answer.aiter_stream():
            found += part
            if len(found) > limit:
                raise Unfetchable(too_large(limit))
        return bytes(found)


def too_large(limit: int) -> str:
    """Return what is said of a body over the limit, bytes."""
    return f"url: larger than {limit / 2**20:g} MB"
