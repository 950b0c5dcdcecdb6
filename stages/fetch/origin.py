"""Where an archive comes from: drawn here, a mirror, the place it is published at, a file or folder on this disk."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from stages.config import project
from stages.console import console
from stages.errors import UserError
from stages.fetch import archive, bucket, download
from stages.fetch.layout import Layout
from stages.schema import Fetch

CACHE = "data/cache"


def bring(fetch: Fetch, published: Layout, folder: Path) -> Path:
    """Return the archive in the folder: drawn, downloaded, copied, or packed from a folder of files."""
    if fetch.url == "synthetic":
        return published.draw(folder, fetch.synthetic, fetch.seed)
    if fetch.mirror is not None:
        return mirrored(fetch, published, folder)
    return published_file(fetch, folder)


def published_file(fetch: Fetch, folder: Path) -> Path:
    """Return the archive from where it is published: the first of its addresses at which it is found."""
    if not download.is_remote(fetch.url):
        return local(fetch, folder)
    return remote([fetch.url, *(sibling(fetch.url, name) for name in fetch.also)], fetch.sha256, folder)


def sibling(url: str, name: str) -> str:
    """Return the address of another file beside a URL's."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}"))


def remote(urls: list[str], sha256: str | None, folder: Path) -> Path:
    """Download the first of several addresses that is found, and put it into the folder."""
    cached = download.first_found(urls, project() / CACHE, sha256)
    download.place(cached, folder / cached.name)
    return folder / cached.name


def address(folder: str, url: str) -> str:
    """Return where a mirror keeps the archive of a URL, a file, or a folder, which is packed into a zip."""
    name = Path(urlsplit(url).path).name
    return f"{folder.rstrip('/')}/{name if Path(name).suffix else f'{name}.zip'}"


def mirrored(fetch: Fetch, published: Layout, folder: Path) -> Path:
    """Return the archive from the mirror; where it is not there yet, check it and put it there first."""
    there = address(str(fetch.mirror), fetch.url)
    if not bucket.exists(there):
        file = published_file(fetch, folder)
        published.check(file, folder / "nested")
        bucket.upload(file, there)
        console.print(f"mirrored {file.name} at {download.public(there)}", markup=False)
        return file
    return remote([there], fetch.sha256, folder)


def local(fetch: Fetch, folder: Path) -> Path:
    """Copy a local archive, or pack a local folder; relative paths start at the project."""
    path = project() / Path(urlsplit(fetch.url).path if fetch.url.startswith("file://") else fetch.url)
    if path.is_dir():
        target = folder / f"{path.name}.zip"
        archive.pack_folder(path, target)
    elif path.is_file():
        target = folder / path.name
        download.copy(path, target)
    else:
        raise UserError(
            f"fetch.url: no file or folder {path}; place it there, or give a path, http(s)://, s3://, gs://"
        )
    download.verify(target, fetch.sha256, str(path))
    return target
