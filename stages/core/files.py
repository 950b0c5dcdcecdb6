"""Files that are complete or not there: outputs are written beside their place, made durable and renamed into it."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from stages.core.errors import UserError, nearest_existing, translate_disk_errors

MAX_NAME_BYTES = 200  # file systems allow 255; suffixes of our own need some


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yields an empty folder that replaces target on success and is removed on error.

    A process that has files of the former target open, e.g. a server, goes on reading them.
    """
    scratch, former = (target.with_name(f".{target.name}.{state}") for state in ("partial", "former"))
    if former.exists() and not target.exists():  # an earlier run was killed between the two renames
        former.rename(target)
    for folder in (scratch, former):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for path in (*scratch.rglob("*"), scratch):
            fsync_path(path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    if target.exists():
        target.rename(former)
    scratch.rename(target)
    fsync_path(target.parent)
    shutil.rmtree(former, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yields a path beside target to write to; on success that file replaces target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.partial")
    try:
        yield scratch
        fsync_path(scratch)
        scratch.replace(target)
        fsync_path(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(target: Path, action: str) -> Iterator[None]:
    """Holds an inter-process lock on a path that need not exist; a second process blocks and says so.

    The lock is a hidden file beside target. It ends with the process that holds it, however that ends.

    Args:
        target: What is locked.
        action: What the holder does, for the message of the process that waits: "writing data/raw/kaggle".
    """
    from filelock import FileLock, Timeout  # services import this module and lock nothing

    file = target.with_name(f".{target.name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        from stages.core.console import console

        console.print(f"another process is {action}; waiting until it has ended", markup=False)
        lock.acquire()
    try:
        yield
    finally:
        # Unlinked before it is released: a process that waits sees that its file is gone and makes a new one.
        file.unlink(missing_ok=True)
        lock.release()


def require_writable(target: Path) -> None:
    """Checks that a folder can be created, or replaced by a new one. The check leaves nothing behind.

    Raises:
        UserError: The disk is full or read-only, or target is a mount point, which nothing can be renamed into.
    """
    if target.is_mount():
        raise UserError(
            f"{target}: a mount point, which no new output can be renamed into; mount {target.parent} instead"
        )
    folder = nearest_existing(target.parent)
    with translate_disk_errors(folder), tempfile.TemporaryFile(dir=folder):
        pass


def fsync_path(path: Path) -> None:
    """Flushes a file's bytes, or a folder's entries, to the disk, so that they outlive a power cut."""
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some shared file systems refuse it for folders: they have nothing to flush
            raise
    finally:
        os.close(descriptor)


def is_safe_filename(name: str) -> bool:
    """Tells whether a name can be that of one file: no folder in it, printable, not hidden, not too long."""
    fits = name.isprintable() and PurePosixPath(name).name == name and len(name.encode()) <= MAX_NAME_BYTES
    return fits and not name.startswith(".")


def write_text(target: Path, text: str) -> None:
    """Writes text in UTF-8, atomically."""
    with atomic_file(target) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(target: Path, content: Any) -> None:
    """Writes content as indented JSON, atomically."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def hash_file(path: Path) -> str:
    """Computes the SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(content: bytes) -> str:
    """Computes the SHA-256 of bytes, as hex."""
    return hashlib.sha256(content).hexdigest()


def hash_json(content: Any) -> str:
    """Computes a key of 16 hex digits for a JSON-like value, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stable_hash_order(seed: int, name: str) -> str:
    """Computes a key that sorts names in a seeded random order, the same on every machine."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
