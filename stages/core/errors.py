"""Errors that a user can mend: raised before any work, shown as one line without a traceback."""

import errno
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

MAX_SUGGESTIONS = 20  # names in one message

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
# Libraries that write by themselves raise errors of their own: only the words tell a full disk from a bug.
# NumPy and PyTorch do not even name the cause, they report how much less than requested was written.
_FULL_WORDS = re.compile(
    r"No space left on device|os error 28|Disk quota exceeded|\d+ requested and \d+ written|"
    r"unexpected pos \d+ vs \d+|PytorchStreamWriter failed writing"
)
_NOT_WRITABLE_WORDS = re.compile(r"Read-only file system|os error 30")
_MIB = 2**20


class UserError(Exception):
    """A mistake in a command, a config or the data. The message names the thing, the value and the mend."""


def first_line(error: BaseException) -> str:
    """Shortens an error to its first line, at most 200 characters; an empty one to the name of its type."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def suggest(name: str, known: Iterable[str], most: int = 1) -> str:
    """Completes a message about an unknown name.

    Args:
        name: What the user wrote.
        known: The names that exist.
        most: How many near names are offered.

    Returns:
        "; did you mean lr?", or "; allowed: …" with the whole list where no name is near.
    """
    names = sorted(map(str, known))
    matches = get_close_matches(name, names, n=most, cutoff=0.6)
    if matches:
        return f"; did you mean {' or '.join(matches)}?"
    shown = [*names[:MAX_SUGGESTIONS], "…"] if len(names) > MAX_SUGGESTIONS else names
    return f"; allowed: {', '.join(shown)}" if names else "; none exist"


def require_known(where: str, name: str, known: Iterable[str]) -> str:
    """Passes a name on if it exists.

    Args:
        where: The config key or argument that holds the name, for the message.
        name: The name to look up.
        known: The names that exist.

    Raises:
        UserError: The name does not exist; the message offers the nearest one.
    """
    names = list(known)
    if name not in names:
        raise UserError(f"{where}: unknown name {name!r}{suggest(name, names)}")
    return name


@contextmanager
def translate_disk_errors(folder: Path) -> Iterator[None]:
    """Raises a UserError for a full or read-only disk, whichever library met it.

    Args:
        folder: The folder being written to. The message names it where the error names no file.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # every library has errors of its own
        disk_error = as_disk_error(error, folder)
        if disk_error is None:
            raise
        raise disk_error from error


def as_disk_error(error: BaseException, folder: Path) -> UserError | None:
    """Translates an error that a full or read-only disk caused; any other error gives None."""
    for cause in iter_causes(error):
        code = cause.errno if isinstance(cause, OSError) else None
        filename = getattr(cause, "filename", None)
        file = Path(filename) if isinstance(filename, str) else None
        if code in _FULL or _FULL_WORDS.search(str(cause)):
            return _disk_full_error(file.parent if file else _fuller_disk(folder))
        if (code in _NOT_WRITABLE and filename is not None) or _NOT_WRITABLE_WORDS.search(str(cause)):
            return _not_writable_error(file or folder, cause)
    return None


def nearest_existing(path: Path) -> Path:
    """Finds a path itself, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error, and those that it followed from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _fuller_disk(folder: Path) -> Path:
    """The folder or the one for temporary files, whichever has less room."""
    candidates = (folder, Path(tempfile.gettempdir()))
    return min(candidates, key=lambda path: shutil.disk_usage(nearest_existing(path)).free)


def _disk_full_error(folder: Path) -> UserError:
    usage = shutil.disk_usage(nearest_existing(folder))
    return UserError(
        f"{folder}: the disk is full ({usage.free / _MIB:,.1f} MB of {usage.total / _MIB:,.0f} MB are free); "
        "make room and run the same command again"
    )


def _not_writable_error(path: Path, cause: BaseException) -> UserError:
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return UserError(f"{path}: not allowed ({reason.lower()}); make it accessible and run the same command again")
