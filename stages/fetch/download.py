"""One download for every protocol: resumed where it broke off, complete or not there at all."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from stages.console import console, transfer
from stages.disk import refused
from stages.errors import UserError, first_line
from stages.files import atomic_file, fingerprint, read_json, sha256_file, write_json
from stages.lock import alone

ATTEMPTS = 5
WAIT = 1.0
BLOCK = 2**18
TIMEOUT = (10, 60)


class NotFound(UserError):
    """Nothing lies at an address."""


class Interrupted(Exception):
    """A transfer that broke off and may be resumed."""


@dataclass(frozen=True)
class Source:
    """A remote file, opened: its bytes from `start` on, and its whole size where that is known."""

    blocks: Iterator[bytes]
    start: int
    size: int | None


def is_remote(url: str) -> bool:
    """Return whether a URL names another machine (http, https, s3, gs)."""
    return "://" in url and not url.startswith("file://")


def public(url: str) -> str:
    """Return a URL without user name, password and query (which may be a signature), fit for logs and records."""
    if not is_remote(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # what cannot be read may hold anything
        return f"{url.partition('://')[0]}://…"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def first_found(urls: list[str], cache: Path, sha256: str | None) -> Path:
    """Download the first of several addresses at which there is something."""
    for url in urls[:-1]:
        try:
            return download(url, cache, sha256)
        except NotFound as error:
            console.print(f"{error}; trying the next", markup=False)
    return download(urls[-1], cache, sha256)


def download(url: str, cache: Path, sha256: str | None) -> Path:
    """Return the file at a remote URL, in the cache: what is there is checked, what is missing is fetched."""
    folder = cache / fingerprint(url)
    target = folder / (Path(urlsplit(url).path).name or "download")
    with alone(target, f"downloading {public(url)}"):
        if not (target.exists() and (sha256 is None or sha256_file(target) == sha256.lower())):
            resume(url, target)
            verify(target, sha256, public(url))
    return target


def resume(url: str, target: Path) -> None:
    """Fetch url to target, going on with a part that is there if the source has not changed since."""
    part = target.with_name(f".{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        try:
            transfer_rest(url, part)
            part.replace(target)
            return
        except Exception as error:  # every store's client has errors of its own
            refuse_final(error, url, part)
            wait = WAIT * 2**attempt
            console.print(f"{public(url)}: {type(error).__name__}, attempt {attempt + 1}", markup=False)
            if attempt + 1 < ATTEMPTS:
                time.sleep(wait)
    have = part.stat().st_size if part.exists() else 0
    raise UserError(f"{public(url)}: gave up after {ATTEMPTS} attempts; {have} bytes are kept, run again to go on")


def refuse_final(error: Exception, url: str, part: Path) -> None:
    """Raise a UserError for what another attempt would not change."""
    of_disk = refused(error, part.parent)
    if of_disk is not None:
        raise of_disk from error
    if isinstance(error, FileNotFoundError):
        raise NotFound(f"{public(url)}: not found; is the address right?") from error
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        raise UserError(f"{public(url)}: not allowed; are your credentials in the environment?") from error
    if isinstance(error, ValueError | ImportError):
        raise UserError(f"{public(url)}: {first_line(error)}; allowed: a path, http(s)://, s3://, gs://") from error


def transfer_rest(url: str, part: Path) -> None:
    """Append what part lacks; raise Interrupted if the source ends before its announced size."""
    opener = over_http if url.startswith(("http://", "https://")) else over_fsspec
    note = part.with_suffix(".json")
    known = read_json(note) if part.exists() and note.exists() else {}
    source, state = opener(url, part.stat().st_size if known else 0, known)
    with transfer() as bar, part.open("r+b" if source.start else "wb") as file:
        file.seek(source.start)
        file.truncate()
        write_json(note, state)
        task = bar.add_task(part.name[1:-5], total=source.size, completed=source.start)
        for block in source.blocks:
            file.write(block)
            bar.advance(task, len(block))
        os.fsync(file.fileno())
        done = file.tell()
    if source.size is not None and done != source.size:
        raise Interrupted(f"{done} of {source.size} bytes came")


def over_http(url: str, done: int, known: dict[str, str]) -> tuple[Source, dict[str, str]]:
    """Open a URL at byte `done`; from its start where the server cannot seek, or has another file by now."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if done:
        headers |= {"Range": f"bytes={done}-", "If-Range": known["version"]}
    answer = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    if answer.status_code == 416:  # nothing lies behind what is there already
        return Source(iter(()), done, whole(answer.headers.get("Content-Range"))), known
    if answer.status_code in (404, 410):
        raise FileNotFoundError(url)
    if answer.status_code in (401, 403):
        raise PermissionError(url)
    answer.raise_for_status()
    start = done if answer.status_code == 206 else 0
    length = answer.headers.get("Content-Length")
    version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    size = start + int(length) if length is not None else None
    return Source(answer.iter_content(BLOCK), start, size), {"version": version} if version else {}


def whole(content_range: str | None) -> int | None:
    """Return the whole size out of a header like "bytes */1234"."""
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def over_fsspec(url: str, done: int, known: dict[str, str]) -> tuple[Source, dict[str, str]]:
    """Open an object (s3, gs, …) at byte `done`, or at its start if it has changed since."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    info = filesystem.info(path)
    names = ("size", "ETag", "etag", "LastModified", "mtime", "updated", "md5Hash")
    state = {name: str(info[name]) for name in names if info.get(name) is not None}
    start = done if state == known else 0
    return Source(read_from(filesystem, path, start), start, info.get("size")), state


def read_from(filesystem: Any, path: str, start: int) -> Iterator[bytes]:
    """Yield the blocks of an object from byte `start` on."""
    with filesystem.open(path, "rb", block_size=16 * BLOCK) as remote:
        remote.seek(start)
        while block := remote.read(BLOCK):
            yield block


def verify(path: Path, sha256: str | None, name: str) -> str:
    """Return the file's SHA-256; if it is not the wanted one, remove the file and raise a UserError."""
    found = sha256_file(path)
    if sha256 is not None and found != sha256.lower():
        path.unlink()
        raise UserError(f"{name}: sha256 is {found}, wanted {sha256}; the download is removed")
    return found


def place(cached: Path, target: Path) -> None:
    """Put a cached file at target without copying its bytes where the disk allows it."""
    try:
        os.link(cached, target)
    except OSError:
        copy(cached, target)


def copy(path: Path, target: Path) -> str:
    """Copy a local file, atomically, and return the SHA-256 of what was written."""
    digest = hashlib.sha256()
    with atomic_file(target) as scratch, path.open("rb") as read, scratch.open("wb") as write:
        while block := read.read(BLOCK):
            digest.update(block)
            write.write(block)
    shutil.copystat(path, target)
    return digest.hexdigest()
