"""Outputs are written beside their place, made durable and renamed into it: none is ever half-written."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

LONGEST_NAME = 200  # bytes; file systems allow 255


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside target; on success it replaces target, on error it is removed.

    Who has files of the former target open, a server say, goes on reading them.
    """
    scratch, former = (target.with_name(f".{target.name}.{state}") for state in ("partial", "former"))
    if former.exists() and not target.exists():  # killed between the two renamings
        former.rename(target)
    for folder in (scratch, former):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for path in (*scratch.rglob("*"), scratch):
            settle(path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    if target.exists():
        target.rename(former)
    scratch.rename(target)
    settle(target.parent)
    shutil.rmtree(former, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path beside target to write to; on success it replaces target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.partial")
    try:
        yield scratch
        settle(scratch)
        scratch.replace(target)
        settle(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


def settle(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk: what is there then outlives a power cut."""
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # of some shared file systems, for folders: they have nothing to settle
            raise
    finally:
        os.close(opened)


def is_plain(name: str) -> bool:
    """Return whether a name can be that of one file or folder: in no other folder, not hidden, not too long."""
    whole = name.isprintable() and PurePosixPath(name).name == name and len(name.encode()) <= LONGEST_NAME
    return whole and not name.startswith(".")


def write_text(target: Path, text: str) -> None:
    """Write text (UTF-8) to target, atomically."""
    with atomic_file(target) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(target: Path, content: Any) -> None:
    """Write content as indented JSON, atomically."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes as hex."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(content: Any) -> str:
    """Return 16 hex digits that name a JSON-like value, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
