"""One download for every protocol: resumed where it broke off, complete or not there at all."""

import contextlib
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import fsspec

from stages.console import console, transfer
from stages.errors import UserError
from stages.files import atomic_file, fingerprint, read_json, sha256_file, write_json

ATTEMPTS = 5
BLOCK = 4 * 2**20


class Interrupted(Exception):
    """A transfer that broke off and may be resumed."""


def is_remote(url: str) -> bool:
    """Return whether a URL names another machine (http, https, s3, gs)."""
    return "://" in url and not url.startswith("file://")


def public(url: str) -> str:
    """Return a URL without user name and password, fit for logs and records."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if is_remote(url) else url


def download(url: str, cache: Path, sha256: str | None) -> Path:
    """Return the file at a remote URL, in the cache: what is there is checked, what is missing is fetched."""
    folder = cache / fingerprint(public(url))
    target = folder / (Path(urlsplit(url).path).name or "download")
    if not (target.exists() and (sha256 is None or sha256_file(target) == sha256)):
        resume(url, target)
        verify(target, sha256, public(url))
    return target


def resume(url: str, target: Path) -> None:
    """Fetch url to target, going on with a part that is there if the source has not changed since."""
    part = target.with_name(f".{target.name}.part")
    for attempt in range(ATTEMPTS):
        try:
            transfer_rest(url, part)
            part.replace(target)
            return
        except (FileNotFoundError, PermissionError) as error:
            raise UserError(f"{public(url)}: {type(error).__name__}; is the address right, are you allowed?") from error
        except (OSError, Interrupted, *client_errors()) as error:
            refuse(error, url)
            console.print(f"{public(url)}: {error or type(error).__name__}; again in {2**attempt} s")
            time.sleep(2**attempt / 2)
    have = part.stat().st_size if part.exists() else 0
    raise UserError(f"{public(url)}: gave up after {ATTEMPTS} attempts; {have} bytes are kept, run again to go on")


def client_errors() -> tuple[type[BaseException], ...]:
    """Return what fsspec's clients raise when a connection fails."""
    import aiohttp

    return (aiohttp.ClientError, TimeoutError, ValueError)


def refuse(error: BaseException, url: str) -> None:
    """Raise a UserError for an answer that another attempt would not change (4xx)."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in (408, 429):
        raise UserError(f"{public(url)}: the server answers {status}; is the address right, are you allowed?")


def transfer_rest(url: str, part: Path) -> None:
    """Append what part lacks; raise Interrupted if the source ends before its announced size."""
    filesystem, path = fsspec.core.url_to_fs(url, **fresh(url))
    info = filesystem.info(path)
    size = info.get("size")
    done = kept(part, state_of(info))
    with transfer() as bar, part.open("r+b" if done else "wb") as file, source(filesystem, path, done) as remote:
        done = file.seek(remote.tell() if done else 0)
        file.truncate()
        task = bar.add_task(part.name[1:-5], total=size, completed=done)
        while block := remote.read(BLOCK):
            file.write(block)
            bar.advance(task, len(block))
        done = file.tell()
        os.fsync(file.fileno())
    if size is not None and done != size:
        raise Interrupted(f"{done} of {size} bytes came")


def fresh(url: str) -> dict[str, Any]:
    """Return options that keep a filesystem from answering out of its own cache."""
    return {"skip_instance_cache": True} if url.startswith(("http://", "https://")) else {"use_listings_cache": False}


def source(filesystem: Any, path: str, done: int) -> Any:
    """Open the remote file at byte `done`, or at its start where the server cannot seek."""
    remote = filesystem.open(path, "rb", block_size=BLOCK, cache_type="readahead")
    with contextlib.suppress(ValueError, OSError, NotImplementedError):
        remote.seek(done)
    return remote


def state_of(info: dict[str, Any]) -> dict[str, str]:
    """Return what changes when a remote file changes."""
    names = ("size", "ETag", "etag", "LastModified", "mtime", "updated", "md5Hash")
    return {name: str(info[name]) for name in names if info.get(name) is not None}


def kept(part: Path, state: dict[str, str]) -> int:
    """Return how many bytes of part may be kept; 0 if the source is another than the one it began with."""
    note = part.with_suffix(".json")
    if part.exists() and note.exists() and read_json(note) == state:
        return part.stat().st_size
    write_json(note, state)
    return 0


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
