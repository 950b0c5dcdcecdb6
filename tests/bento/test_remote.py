"""URLs for strangers: what is never connected to, what is fetched, and how everything else ends."""

import asyncio
import gzip
import ipaddress
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from bento import url
from bento.address import is_public
from bento.refusals import Busy
from bento.remote import Remote, Unfetchable
from bento.settings import Settings, settings
from tests.hostile import ADDRESSES, HOSTILE, NAMES, PUBLIC
from tests.web import Web, web

PICTURE = b"\xff\xd8 as good as a picture"
SETTINGS = replace(settings(), max_body_mb=0.25, url_timeout=1.0, max_url_fetches=4)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
watched: list[tuple[str, Any]] | None = None


def listen(event: str, arguments: tuple[Any, ...]) -> None:
    """Note every connection that this process tries, and every name that it asks the system for."""
    if watched is not None and event in ("socket.connect", "socket.getaddrinfo"):
        watched.append((event, arguments[1] if event == "socket.connect" else arguments[0]))


sys.addaudithook(listen)


@pytest.fixture
def attempts() -> Iterator[list[tuple[str, Any]]]:
    global watched
    watched = []
    yield watched
    watched = None


def answer(path: str) -> Iterator[bytes]:
    """Answer as a server of pictures, or as the path says."""
    kind, _, rest = path.partition("?")
    if kind.startswith("/picture"):
        yield HEAD + b"Content-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE
    elif kind == "/to" and re.fullmatch("([0-9a-f]{2})*", rest):
        yield b"HTTP/1.1 302 Found\r\nLocation: " + bytes.fromhex(rest) + b"\r\nContent-Length: 0\r\n\r\n"
    elif kind in BAD:
        yield from BAD[kind][0]()
    else:
        yield b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def drip(*parts: bytes) -> Iterator[bytes]:
    for part in parts:
        yield part
        time.sleep(0.05)


def endless(head: bytes, part: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield part


BAD: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "/slow-head": (lambda: drip(*(bytes([byte]) for byte in HEAD * 9)), "no whole picture within 1 s"),
    "/slow-body": (lambda: drip(HEAD + b"\r\n", *[b"x"] * 200), "no whole picture within 1 s"),
    "/silent": (lambda: drip(*[b""] * 100), "no whole picture within 1 s"),
    "/informing": (lambda: endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), "no whole picture within 1 s"),
    "/endless": (lambda: endless(HEAD + b"\r\n", bytes(65536)), "larger than 0.25 MB"),
    "/chunks": (lambda: endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + bytes(1000) + b"\r\n"),
                "larger than 0.25 MB"),
    "/announced": (lambda: drip(HEAD + b"Content-Length: 9999999999\r\n\r\n"), "larger than 0.25 MB"),
    "/cut-off": (lambda: drip(HEAD + b"Content-Length: 1000\r\n\r\nfew"), "could not be fetched"),
    "/cut-off-chunk": (lambda: drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nfew"), "could not be fetched"),
    "/two-lengths": (lambda: drip(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), "could not be fetched"),
    "/no-length": (lambda: drip(HEAD + b"Content-Length: many\r\n\r\nfour"), "could not be fetched"),
    "/head": (lambda: endless(HEAD, b"X-Long: " + b"x" * 5000 + b"\r\n"), "could not be fetched"),
    "/line": (lambda: endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 5000), "could not be fetched"),
    "/no-http": (lambda: drip(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "could not be fetched"),
    "/nothing": (lambda: drip(), "could not be fetched"),
    "/bomb": (lambda: drip(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10**7))), "compressed"),
    "/html": (lambda: drip(b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=utf-8\r\n\r\n<html>"),
              "answers text/html, not a picture"),
    "/error": (lambda: drip(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), "answers 500"),
    "/partial": (lambda: drip(b"HTTP/1.1 206 Part\r\nContent-Length: 0\r\n\r\n"), "answers 206"),
    "/unmodified": (lambda: drip(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "answers 304"),
    "/nowhere-to": (lambda: drip(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), "redirected to something"),
    "/switching": (lambda: drip(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "could not be fetched"),
}  # fmt: skip


class Dial(httpcore.AnyIOBackend):
    """Notes which addresses are connected to; the public one is played by a server on loopback."""

    def __init__(self, port: int) -> None:
        self.port, self.called = port, list[str]()

    async def connect_tcp(self, host: str, port: int, *rest: Any) -> httpcore.AsyncNetworkStream:
        self.called.append(host)
        played = ("127.0.0.1", self.port) if host == PUBLIC else (host, port)
        return await super().connect_tcp(*played, *rest)


def asked(host: str, port: int) -> list[str]:
    """Resolve as the test says; never ask the system."""
    assert isinstance(port, int)
    if host not in NAMES:
        raise socket.gaierror("unknown")
    return NAMES[host]


def fetch(remote: Remote, address: str) -> bytes:
    return asyncio.run(remote.fetch(address))


@pytest.fixture(scope="module")
def good() -> Iterator[Web]:
    with web(answer) as found:
        yield found


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Web]]:
    """Listen on both loopbacks, at the port that a URL without one means."""
    with ExitStack() as stack:
        four = stack.enter_context(web(answer))
        six = stack.enter_context(web(answer, at=("::1", four.port)))
        monkeypatch.setitem(url.PORTS, "http", four.port)
        yield [four, six]


def trusting(*hosts: str, **changes: Any) -> Settings:
    return replace(SETTINGS, url_hosts=list(hosts), **changes)


def test_the_corpus_is_large() -> None:
    assert len(HOSTILE) >= 180
    assert len(set(HOSTILE)) == len(HOSTILE)


def test_no_hostile_url_is_connected_to(
    good: Web, canaries: list[Web], attempts: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither asked for at once, nor when an allow-listed host redirects there."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canaries[0].port}")
    here = f"127.0.0.1:{good.port}"
    dial = Dial(good.port)
    remote = Remote(trusting(here), asked, dial)
    for hostile in HOSTILE:
        with pytest.raises(Unfetchable, match=r"^url: ."):
            fetch(remote, hostile)
    assert (dial.called, attempts) == ([], [])
    for hostile in HOSTILE:
        with pytest.raises(Unfetchable, match=r"^url: ."):
            fetch(remote, f"http://{here}/to?{hostile.encode().hex()}")
    assert sum(canary.connections for canary in canaries) == 0
    elsewhere = [what for what in attempts if what != ("socket.connect", ("127.0.0.1", good.port))]
    assert elsewhere == []
    assert set(dial.called) == {"127.0.0.1", PUBLIC}, "a line break in a header ends the URL before it"


def test_the_canaries_would_have_noticed(canaries: list[Web], attempts: list[tuple[str, Any]]) -> None:
    hosts = ("127.0.0.1", "[::1]", "localhost", "loopback.example", "six.example")
    remote = Remote(trusting(*hosts), lambda host, _: NAMES.get(host, ["127.0.0.1"]))
    for host in hosts:
        assert fetch(remote, f"http://{host}/picture") == PICTURE
    assert [canary.connections for canary in canaries] == [3, 2]
    assert len(attempts) == 5


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_is_refused_for_one_bad_address_among_good_ones(address: str) -> None:
    for found in ([address], [PUBLIC, address], [address, PUBLIC], [PUBLIC, "2606:2800:220:1::1", address]):
        dial = Dial(0)
        with pytest.raises(Unfetchable, match=r"url: pictures\.example is not a public host"):
            fetch(Remote(SETTINGS, lambda *_, found=found: found, dial), "http://pictures.example/")
        assert dial.called == []


def test_a_name_is_resolved_once_and_only_that_address_is_connected_to(good: Web) -> None:
    """A name that changes its address between the check and the connection changes nothing."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    dial = Dial(good.port)
    assert fetch(Remote(SETTINGS, lambda *_: next(answers), dial), "http://pictures.example/picture") == PICTURE
    assert dial.called == [PUBLIC]
    assert next(answers) == ["127.0.0.1"], "the second answer was never asked for"


def test_a_name_is_checked_again_at_every_redirect(good: Web, canaries: list[Web]) -> None:
    onward = f"http://pictures.example:{canaries[0].port}/picture"
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    dial = Dial(good.port)
    with pytest.raises(Unfetchable, match="is not a public host"):
        fetch(Remote(SETTINGS, lambda *_: next(answers), dial), f"http://pictures.example/to?{onward.encode().hex()}")
    assert dial.called == [PUBLIC]
    assert canaries[0].connections == 0


@given(st.ip_addresses())
def test_what_python_knows_as_private_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_public(str(address)):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_unspecified))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "223.255.255.254", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "path",
    ["/picture", "/picture?a=b&c=%20#part", "/picture/größe.jpg", "/picture/a@b:c;d,e'(f)[g]!$&*+=~", "/picture?@x"],
)
def test_a_picture_is_fetched(path: str, good: Web) -> None:
    dial = Dial(good.port)
    assert fetch(Remote(SETTINGS, asked, dial), f"http://pictures.example{path}") == PICTURE
    assert fetch(Remote(trusting(f"localhost:{good.port}"), lambda *_: ["127.0.0.1"]),
                 f"HTTP://LocalHost:{good.port}{path}") == PICTURE  # fmt: skip
    assert dial.called == [PUBLIC]


def test_a_request_says_nothing_about_us(good: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    here = f"127.0.0.1:{good.port}"
    onward = f"http://{here}/picture/ü".encode().hex()
    fetch(Remote(trusting(here), asked), f"http://{here}/to?{onward}")
    first, second = good.requests[-2:]
    assert second.decode().split("\r\n") == [
        "GET /picture/%C3%BC HTTP/1.1",
        f"Host: {here}",
        "User-Agent: bestiary",
        "Accept: image/*",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
        "",
    ]
    assert first.split(b"\r\n")[1:] == second.split(b"\r\n")[1:]


def test_redirects_between_good_places_are_followed_a_few_times(good: Web) -> None:
    here = f"http://127.0.0.1:{good.port}"
    remote = Remote(trusting(f"127.0.0.1:{good.port}"), asked, Dial(good.port))
    address, addresses = "/picture", []
    for _ in range(4):
        address = f"/to?{address.encode().hex()}"
        addresses.append(here + address)
    for address in addresses[:3]:
        assert fetch(remote, address) == PICTURE
    with pytest.raises(Unfetchable, match="redirected more than 3 times"):
        fetch(remote, addresses[3])
    assert fetch(remote, f"{here}/to?{b'//pictures.example/picture'.hex()}") == PICTURE


@pytest.mark.parametrize("path", BAD)
def test_a_bad_server_ends_in_a_sentence_soon(path: str, good: Web) -> None:
    started = time.perf_counter()
    with pytest.raises(Unfetchable, match=r"^url: ") as caught:
        fetch(Remote(trusting(f"127.0.0.1:{good.port}"), asked), f"http://127.0.0.1:{good.port}{path}")
    assert BAD[path][1] in str(caught.value)
    assert time.perf_counter() - started < 10


def test_who_does_not_answer_is_named(good: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unfetchable, match="could not be fetched"):
        fetch(Remote(trusting(f"127.0.0.1:{port}"), asked), f"http://127.0.0.1:{port}/")
    with pytest.raises(Unfetchable, match=r"nobody\.example is not known"):
        fetch(Remote(SETTINGS, asked), "http://nobody.example/")
    dial = Dial(good.port)
    several = Remote(trusting("several"), lambda *_: ["127.0.0.2", PUBLIC], dial)
    url_of_one = "http://several/picture"
    assert fetch(several, url_of_one) == PICTURE
    assert dial.called == ["127.0.0.2", PUBLIC], "the next address where the first does not answer"


def test_what_the_operator_allows_is_meant_exactly(good: Web) -> None:
    here = f"127.0.0.1:{good.port}"
    for hosts in ([], ["127.0.0.1"], [f"127.0.0.2:{good.port}"], ["127.0.0.1:1"], [f"[::1]:{good.port}"]):
        with pytest.raises(Unfetchable, match=f"port {good.port} is not fetched from"):
            fetch(Remote(trusting(*hosts), asked), f"http://{here}/picture")
    assert fetch(Remote(trusting(here), asked), f"http://{here}/picture") == PICTURE


@pytest.mark.parametrize("entry", ["http://a", "a/b", "a b", "a:0", "a:b", "*.a", "", "[::1", "user@a", "a?b", "a#b"])
def test_what_is_no_host_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^bento\.url_hosts: .* is not host or host:port"):
        Remote(trusting(entry))


def test_one_more_than_may_be_fetched_is_turned_away(good: Web) -> None:
    remote = Remote(trusting(f"127.0.0.1:{good.port}", max_url_fetches=2), asked)
    here = f"http://127.0.0.1:{good.port}"

    async def crowd() -> None:
        slow = [asyncio.create_task(remote.fetch(f"{here}/slow-body")) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(Busy, match="2 pictures are being fetched already"):
            await remote.fetch(f"{here}/picture")
        for task in slow:
            with pytest.raises(Unfetchable):
                await task
        assert await remote.fetch(f"{here}/picture") == PICTURE

    asyncio.run(crowd())


def test_a_lookup_that_hangs_keeps_its_place() -> None:
    gate = threading.Event()

    def hang(*_: Any) -> list[str]:
        gate.wait(10)
        return [PUBLIC]

    async def crowd() -> None:
        remote = Remote(replace(SETTINGS, max_url_fetches=1, url_timeout=0.1), hang)
        with pytest.raises(Unfetchable, match=r"no whole picture within 0\.1 s"):
            await remote.fetch("http://pictures.example/")
        with pytest.raises(Busy, match="1 names are being looked up already"):
            await remote.fetch("http://pictures.example/")
        gate.set()

    asyncio.run(crowd())


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's TLS for a name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    coded = serialization.Encoding.PEM
    secret = key.private_bytes(coded, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(coded))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(coded).decode())


def test_tls_is_verified_against_the_name_though_the_address_is_pinned(tmp_path: Path) -> None:
    server, client = certified(tmp_path, "pictures.example")
    named: list[str] = []
    server.sni_callback = lambda _, name, __: named.append(name)
    with web(answer, server) as good:
        dial = Dial(good.port)
        assert fetch(Remote(SETTINGS, asked, dial, lambda: client), "https://pictures.example/picture") == PICTURE
        assert (dial.called, named) == ([PUBLIC], ["pictures.example"])
        for host, others in (("other.example", [lambda: client]), ("pictures.example", [])):
            with pytest.raises(Unfetchable, match=r"could not be fetched.*certificate verify failed"):
                fetch(Remote(SETTINGS, lambda *_: [PUBLIC], dial, *others), f"https://{host}/picture")
    assert len(good.requests) == 1
