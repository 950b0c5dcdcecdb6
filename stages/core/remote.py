"""The user's own buckets (s3, gs): mirrors of downloads, and published models."""

from pathlib import Path
from typing import Any

from stages.core.console import create_transfer_progress
from stages.core.errors import UserError, first_line
from stages.core.redaction import redact_url


def object_exists(url: str) -> bool:
    """Tells whether a bucket holds an object."""
    filesystem, path = _open_filesystem(url)
    try:
        return bool(filesystem.exists(path))
    except Exception as error:  # every store's client has errors of its own
        raise _access_error(url, error) from error


def upload_file(file: Path, url: str) -> None:
    """Uploads a file to a bucket. The store shows the object once it is complete.

    Raises:
        UserError: The bucket cannot be used, or bytes are missing afterwards.
    """
    from fsspec.callbacks import Callback

    filesystem, path = _open_filesystem(url)
    size = file.stat().st_size
    with create_transfer_progress() as bar:
        task = bar.add_task(f"{file.name} → {redact_url(url)}", total=size)
        callback = Callback(size=size, hooks={"bar": lambda _, value: bar.update(task, completed=value)})
        try:
            filesystem.put_file(str(file), path, callback=callback)
            uploaded = filesystem.info(path)["size"]
        except Exception as error:  # every store's client has errors of its own
            raise _access_error(url, error) from error
    if uploaded != size:
        raise UserError(f"{redact_url(url)}: {uploaded} of {size} bytes arrived; try again")


def _open_filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except Exception as error:  # a client may look for credentials when it is created
        raise _access_error(url, error) from error
    return filesystem, str(path)


def _access_error(url: str, error: Exception) -> UserError:
    return UserError(
        f"{redact_url(url)}: {type(error).__name__}: {first_line(error)}; "
        "does the bucket exist, are your credentials in the environment?"
    )
