"""A bucket of one's own (s3, gs), to keep what was downloaded and to publish what was made."""

from pathlib import Path
from typing import Any

from stages.console import transfer
from stages.errors import UserError, first_line
from stages.fetch.download import public


def exists(url: str) -> bool:
    """Return whether there is an object."""
    filesystem, path = opened(url)
    try:
        return bool(filesystem.exists(path))
    except Exception as error:  # every store's client has errors of its own
        raise refused(url, error) from error


def upload(file: Path, url: str) -> None:
    """Copy a file to a bucket; a store shows an object only when all of it is there."""
    from fsspec.callbacks import Callback

    filesystem, path = opened(url)
    size = file.stat().st_size
    with transfer() as bar:
        task = bar.add_task(f"{file.name} → {public(url)}", total=size)
        watch = Callback(size=size, hooks={"bar": lambda _, value: bar.update(task, completed=value)})
        try:
            filesystem.put_file(str(file), path, callback=watch)
            found = filesystem.info(path)["size"]
        except Exception as error:  # every store's client has errors of its own
            raise refused(url, error) from error
    if found != size:
        raise UserError(f"{public(url)}: {found} of {size} bytes arrived; try again")


def opened(url: str) -> tuple[Any, str]:
    """Return the store's client and the path in it."""
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except Exception as error:  # a client may look for credentials as it is made
        raise refused(url, error) from error
    return filesystem, str(path)


def refused(url: str, error: Exception) -> UserError:
    """Say why a bucket cannot be used."""
    return UserError(
        f"{public(url)}: {type(error).__name__}: {first_line(error)}; "
        "does the bucket exist, are your credentials in the environment?"
    )
