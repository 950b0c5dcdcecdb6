"""URLs of pictures, read strictly: one spelling of every address, nothing for two parsers to differ about."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

LONGEST = 4096
PORTS = {"http": 80, "https": 443}
ODD = re.compile(r"[\x00-\x20\x7f-\x9f\\\s]")
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?][^#]*)?)(?:#.*)?",
    re.IGNORECASE | re.ASCII,
)
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
SAFE = "".join(chr(code) for code in range(0x21, 0x7F))


class BadURL(ValueError):
    """A URL that is not fetched; the message says why."""


@dataclass(frozen=True)
class Place:
    """What a URL names: `host` is in lower case, an IPv6 address without brackets; `target` begins with /."""

    scheme: str
    host: str
    port: int
    target: str = "/"

    @property
    def literal(self) -> bool:
        """Whether the host is an address, not a name."""
        return ":" in self.host or NUMBER.fullmatch(self.host.rpartition(".")[2]) is not None

    @property
    def authority(self) -> str:
        """Host and port as the header Host has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """The URL, in its one spelling."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read(text: str) -> Place:
    """Return what a URL names, or raise BadURL."""
    if len(text) > LONGEST:
        raise BadURL(f"url: longer than {LONGEST} characters")
    if ODD.search(text):
        raise BadURL("url: holds a space, a backslash or a control character; write it percent-encoded")
    match = URL.fullmatch(text)
    if match is None:
        raise BadURL("url: not of the form http(s)://host/path, without a user name and in ASCII letters (xn--…)")
    scheme = match["scheme"].lower()
    port = int(match["port"] or PORTS[scheme])
    if not 0 < port < 65536:
        raise BadURL(f"url: there is no port {port}")
    target = quote(match["target"], SAFE)
    return Place(scheme, host(match["host"].lower()), port, target if target.startswith("/") else f"/{target}")


def host(text: str) -> str:
    """Return a name, or an address in its one spelling, or raise BadURL."""
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if NUMBER.fullmatch(text.rpartition(".")[2]):
            return str(IPv4Address(text))
    except ValueError:
        raise BadURL(f"url: {text} is no address; write IPv4 as four decimal numbers") from None
    if not all(LABEL.fullmatch(label) for label in text.split(".")):
        raise BadURL(f"url: {text[:100]} is no host name")
    return text


def follow(place: Place, location: bytes) -> Place:
    """Return where a redirect leads, read as strictly, or raise BadURL."""
    onward = quote(location, SAFE) if not location.isascii() else location.decode()
    try:
        joined = urljoin(place.address, onward)
    except ValueError:
        joined = ""
    if not onward or not joined or ODD.search(onward):
        raise BadURL("url: redirected to something that is no URL")
    return read(joined)


def allowed(entry: str) -> tuple[str, int | None]:
    """Return host and port of an entry of `bento.url_hosts`; without a port both usual ones are meant."""
    try:
        place = read(f"http://{entry}")
        if place.target != "/" or "/" in entry or "#" in entry:
            raise BadURL("more than a host and a port")
    except BadURL as error:
        raise ValueError(f"bento.url_hosts: {entry!r} is not host or host:port ({error})") from None
    named = entry.rpartition("]")[2] if entry.startswith("[") else entry
    return place.host, place.port if ":" in named else None
