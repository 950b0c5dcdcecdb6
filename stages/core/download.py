"""Downloads over http(s), s3 and gs: resumed where they broke off, and either complete or not there."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.core.console import console, create_transfer_progress
from stages.core.errors import UserError, as_disk_error, first_line
from stages.core.files import atomic_file, exclusive_lock, hash_file, hash_json, write_text
from stages.core.redaction import redact_url

ATTEMPTS = 5
RETRY_DELAY = 1.0  # seconds before the second attempt; it doubles with each
TIMEOUT = (10, 60)  # seconds to connect, and without a byte
BLOCK_SIZE = 2**18

_VERSION_KEYS = ("size", "ETag", "etag", "LastModified", "mtime", "updated", "md5Hash")  # of an object; stores differ


class NotFound(UserError):
    """There is no file at a URL."""


class _Interrupted(Exception):
    """A transfer ended early and can be resumed."""


@dataclass(frozen=True)
class _RemoteFile:
    """An open remote file.

    Attributes:
        blocks: Its bytes from `start` on.
        start: Where they start.
        size: The size of the whole file, if the server tells it.
        version: Changes with the content; empty if the server tells none, and the download cannot be resumed.
    """

    blocks: Iterator[bytes]
    start: int
    size: int | None
    version: str


def is_remote(url: str) -> bool:
    """Tells whether a URL names another machine (http, https, s3, gs …)."""
    return "://" in url and not url.startswith("file://")


def download_first(urls: list[str], cache: Path, sha256: str | None) -> Path:
    """Downloads from the first of several URLs that exists; see `download`."""
    for url in urls[:-1]:
        try:
            return download(url, cache, sha256)
        except NotFound as error:
            console.print(f"{error}; trying the next", markup=False)
    return download(urls[-1], cache, sha256)


def download(url: str, cache: Path, sha256: str | None) -> Path:
    """Downloads a remote file into the cache, unless it is there already.

    Args:
        url: http(s), s3, gs, or another protocol of fsspec.
        cache: The cache. It has a folder for each URL.
        sha256: The expected hash; None accepts any content.

    Raises:
        NotFound: There is no file at the URL.
        UserError: Access is denied, the hash differs, or all attempts failed. A partial file is kept and resumed.
    """
    target = cache / hash_json(url) / (Path(urlsplit(url).path).name or "download")
    with exclusive_lock(target, f"downloading {redact_url(url)}"):
        if not (target.exists() and (sha256 is None or hash_file(target) == sha256.lower())):
            _download_with_retries(url, target)
            verify_sha256(target, sha256, redact_url(url))
    return target


def verify_sha256(path: Path, sha256: str | None, name: str) -> None:
    """Checks a file's hash, if one is expected.

    Raises:
        UserError: It differs; the file is removed. The message calls it by `name`.
    """
    if sha256 is None:
        return
    actual = hash_file(path)
    if actual != sha256.lower():
        path.unlink()
        raise UserError(f"{name}: sha256 is {actual}, wanted {sha256}; the download is removed")


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-links a file, or copies it where the disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        copy_file(source, target)


def copy_file(source: Path, target: Path) -> None:
    """Copies a local file, atomically."""
    with atomic_file(target) as scratch:
        shutil.copy2(source, scratch)


def _download_with_retries(url: str, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    for attempt in range(ATTEMPTS):
        try:
            _append_rest(url, part)
            part.replace(target)
            return
        except Exception as error:  # every store's client has errors of its own
            _raise_if_final(error, url, part)
            console.print(f"{redact_url(url)}: {type(error).__name__}, attempt {attempt + 1}", markup=False)
            if attempt + 1 < ATTEMPTS:
                time.sleep(RETRY_DELAY * 2**attempt)
    size = part.stat().st_size if part.exists() else 0
    raise UserError(f"{redact_url(url)}: gave up after {ATTEMPTS} attempts; {size} bytes are kept, run again to go on")


def _raise_if_final(error: Exception, url: str, part: Path) -> None:
    """Raises a UserError for an error that another attempt would meet again."""
    disk_error = as_disk_error(error, part.parent)
    if disk_error is not None:
        raise disk_error from error
    name = redact_url(url)
    if isinstance(error, FileNotFoundError):
        raise NotFound(f"{name}: not found; is the address right?") from error
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        raise UserError(f"{name}: not allowed; are your credentials in the environment?") from error
    if isinstance(error, ValueError | ImportError):
        raise UserError(f"{name}: {first_line(error)}; allowed: a path, http(s)://, s3://, gs://") from error


def _append_rest(url: str, part: Path) -> None:
    version_file = part.with_suffix(".version")
    version = version_file.read_text() if part.exists() and version_file.exists() else ""
    open_remote = _open_http if url.startswith(("http://", "https://")) else _open_object
    remote = open_remote(url, part.stat().st_size if version else 0, version)
    with create_transfer_progress() as bar, part.open("r+b" if remote.start else "wb") as file:
        file.seek(remote.start)
        file.truncate()
        write_text(version_file, remote.version)  # after the truncation: old bytes must never carry the new version
        task = bar.add_task(part.stem[1:], total=remote.size, completed=remote.start)
        for block in remote.blocks:
            file.write(block)
            bar.advance(task, len(block))
        os.fsync(file.fileno())
        done = file.tell()
    if remote.size is not None and done != remote.size:
        raise _Interrupted(f"{done} of {remote.size} bytes came")


def _open_http(url: str, start: int, version: str) -> _RemoteFile:
    """Opens a URL at a byte, or at its start if the server cannot seek or has another version by now."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    if response.status_code == 416:  # no byte is missing
        return _RemoteFile(iter(()), start, _parse_content_range(response.headers.get("Content-Range")), version)
    if response.status_code in (404, 410):
        raise FileNotFoundError(url)
    if response.status_code in (401, 403):
        raise PermissionError(url)
    response.raise_for_status()
    if response.status_code != 206:
        start = 0
    length = response.headers.get("Content-Length")
    version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    return _RemoteFile(response.iter_content(BLOCK_SIZE), start, start + int(length) if length else None, version)


def _parse_content_range(content_range: str | None) -> int | None:
    """Parses the size of the whole file out of a header like "bytes */1234"."""
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _open_object(url: str, start: int, version: str) -> _RemoteFile:
    """Opens an object (s3, gs, …) at a byte, or at its start if it has another version by now."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    info = filesystem.info(path)
    current = hash_json({key: str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None})
    if current != version:
        start = 0
    return _RemoteFile(_iter_blocks(filesystem, path, start), start, info.get("size"), current)


def _iter_blocks(filesystem: Any, path: str, start: int) -> Iterator[bytes]:
    with filesystem.open(path, "rb", block_size=16 * BLOCK_SIZE) as file:
        file.seek(start)
        while block := file.read(BLOCK_SIZE):
            yield block
