"""What a disk refuses, full or not writable, said so that it can be mended."""

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
# Libraries that write by themselves say it in words; NumPy and PyTorch do not even say why they wrote less.
FULL_WORDS = re.compile(
    r"No space left on device|os error 28|Disk quota exceeded|\d+ requested and \d+ written|"
    r"unexpected pos \d+ vs \d+|PytorchStreamWriter failed writing"
)
CLOSED_WORDS = re.compile(r"Read-only file system|os error 30")
MIB = 2**20


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn what a disk refuses into a UserError; `folder` is what is written to, where the error names nothing."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # every library has errors of its own
        meant = refused(error, folder)
        if meant is None:
            raise
        raise meant from error


def refused(error: BaseException, folder: Path) -> UserError | None:
    """Return what an error means that comes from a disk, None for another one."""
    for cause in causes(error):
        code = cause.errno if isinstance(cause, OSError) else None
        named = getattr(cause, "filename", None)
        if code in FULL or FULL_WORDS.search(str(cause)):
            return full(Path(named).parent if isinstance(named, str) else fullest(folder))
        if (code in CLOSED and named is not None) or CLOSED_WORDS.search(str(cause)):
            return closed(Path(named) if isinstance(named, str) else folder, cause)
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it followed from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def fullest(folder: Path) -> Path:
    """Return which of a folder and the one for temporary files has less room."""
    return min((folder, Path(tempfile.gettempdir())), key=lambda path: shutil.disk_usage(existing(path)).free)


def full(folder: Path) -> UserError:
    """Say that there is no room."""
    usage = shutil.disk_usage(existing(folder))
    return UserError(
        f"{folder}: the disk is full ({usage.free / MIB:,.1f} MB of {usage.total / MIB:,.0f} MB are free); "
        "make room and run the same command again"
    )


def closed(path: Path, cause: BaseException) -> UserError:
    """Say that something cannot be written."""
    why = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return UserError(f"{path}: not allowed ({why.lower()}); make it accessible and run the same command again")


def existing(path: Path) -> Path:
    """Return a path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def require_writable(target: Path) -> None:
    """Raise a UserError where a folder cannot be made, or replaced by a new one; nothing is left of the trial."""
    if target.is_mount():
        raise UserError(
            f"{target}: a mount point, which no new output can be renamed into; mount {target.parent} instead"
        )
    folder = existing(target.parent)
    with told(folder), tempfile.TemporaryFile(dir=folder):
        pass
