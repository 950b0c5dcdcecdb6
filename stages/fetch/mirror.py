"""A bucket of one's own (s3, gs) that keeps a published archive."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.console import console, transfer
from stages.errors import UserError, first_line
from stages.fetch.download import public


def address(folder: str, url: str) -> str:
    """Return where a mirror keeps the archive of a URL, a file, or a folder, which is packed into a zip."""
    name = Path(urlsplit(url).path).name
    return f"{folder.rstrip('/')}/{name if Path(name).suffix else f'{name}.zip'}"


def exists(url: str) -> bool:
    """Return whether the mirror has it."""
    filesystem, path = opened(url)
    try:
        return bool(filesystem.exists(path))
    except Exception as error:  # every store's client has errors of its own
        raise refused(url, error) from error


def upload(file: Path, url: str) -> None:
    """Copy a file to the mirror; a store shows an object only when all of it is there."""
    from fsspec.callbacks import Callback

    filesystem, path = opened(url)
    size = file.stat().st_size
    with transfer() as bar:
        task = bar.add_task(f"{file.name} → {public(url)}", total=size)
        watch = Callback(size=size, hooks={"bar": lambda _, value: bar.update(task, completed=value)})
        try:
            filesystem.put_file(str(file), path, callback=watch)
        except Exception as error:  # every store's client has errors of its own
            raise refused(url, error) from error
    console.print(f"mirrored {file.name} at {public(url)}", markup=False)


def opened(url: str) -> tuple[Any, str]:
    """Return the store's client and the path in it."""
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except Exception as error:  # a client may look for credentials as it is made
        raise refused(url, error) from error
    return filesystem, str(path)


def refused(url: str, error: Exception) -> UserError:
    """Say why the mirror cannot be used."""
    return UserError(
        f"fetch.mirror {public(url)}: {type(error).__name__}: {first_line(error)}; "
        "does the bucket exist, are your credentials in the environment?"
    )
