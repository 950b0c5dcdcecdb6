"""Where an archive comes from: drawn here, a mirror, the place it is published at, a file or folder on this disk."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from stages.config.schema import Fetch
from stages.core import archive, download, remote
from stages.core.console import console
from stages.core.errors import UserError
from stages.core.redaction import redact_url
from stages.core.workspace import DOWNLOAD_CACHE, project_root
from stages.layouts.base import SYNTHETIC, Layout


def bring(fetch: Fetch, published: Layout, folder: Path) -> Path:
    """Return the archive in the folder: drawn, downloaded, copied, or packed from a folder of files."""
    if fetch.url == SYNTHETIC:
        return published.draw(folder, fetch.synthetic, fetch.seed)
    if fetch.mirror is not None:
        return mirrored(fetch, published, folder)
    file = published_file(fetch, folder)
    for name in parts(fetch):
        published_part(fetch, name, folder)
    return file


def parts(fetch: Fetch) -> list[str]:
    """Return the names of the further files to fetch: none where a folder, which holds them, is or was packed."""
    if download.is_remote(fetch.url):
        return fetch.extra_files
    path = on_disk(fetch.url)
    return [] if path.is_dir() or not (path.exists() or path.suffix) else fetch.extra_files


def published_file(fetch: Fetch, folder: Path) -> Path:
    """Return the archive from where it is published: the first of its addresses at which it is found."""
    if not download.is_remote(fetch.url):
        return local(fetch, folder)
    return fetch_via_cache(
        [fetch.url, *(sibling(fetch.url, name) for name in fetch.alternative_names)], fetch.sha256, folder
    )


def published_part(fetch: Fetch, name: str, folder: Path) -> Path:
    """Return a further file, brought from beside the archive."""
    if download.is_remote(fetch.url):
        return fetch_via_cache([sibling(fetch.url, name)], None, folder)
    path = on_disk(fetch.url).parent / name
    if not path.is_file():
        raise UserError(
            f"fetch.extra_files: no file {path}; place it there, or take {name} out of extra_files if it is not needed"
        )
    download.copy_file(path, folder / name)
    return folder / name


def sibling(url: str, name: str) -> str:
    """Return the address of another file beside a URL's."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}"))


def fetch_via_cache(urls: list[str], sha256: str | None, folder: Path) -> Path:
    """Download the first of several addresses that is found, and put it into the folder."""
    cached = download.download_first(urls, project_root() / DOWNLOAD_CACHE, sha256)
    download.link_or_copy(cached, folder / cached.name)
    return folder / cached.name


def address(folder: str, url: str) -> str:
    """Return where a mirror keeps the archive of a URL, a file, or a folder, which is packed into a zip."""
    name = Path(urlsplit(url).path).name
    return f"{folder.rstrip('/')}/{name if Path(name).suffix else f'{name}.zip'}"


def mirrored(fetch: Fetch, published: Layout, folder: Path) -> Path:
    """Return the archive from the mirror, parts too; what is not there yet is checked and put there first."""
    there = address(str(fetch.mirror), fetch.url)
    missing: list[tuple[Path, str]] = []
    if remote.object_exists(there):
        file = fetch_via_cache([there], fetch.sha256, folder)
    else:
        file = published_file(fetch, folder)
        missing.append((file, there))
    for name in parts(fetch):
        there = f"{str(fetch.mirror).rstrip('/')}/{name}"
        if remote.object_exists(there):
            fetch_via_cache([there], None, folder)
        else:
            missing.append((published_part(fetch, name, folder), there))
    if missing:
        published.check(file, folder / "nested")
    for part, there in missing:
        remote.upload_file(part, there)
        console.print(f"mirrored {part.name} at {redact_url(there)}", markup=False)
    return file


def local(fetch: Fetch, folder: Path) -> Path:
    """Copy a local archive, or pack a local folder; relative paths start at the project."""
    path = on_disk(fetch.url)
    if path.is_dir():
        target = folder / f"{path.name}.zip"
        archive.zip_folder(path, target)
    elif path.is_file():
        target = folder / path.name
        download.copy_file(path, target)
    else:
        raise UserError(
            f"fetch.url: no file or folder {path}; place it there, or give a path, http(s)://, s3://, gs://"
        )
    download.verify_sha256(target, fetch.sha256, str(path))
    return target


def on_disk(url: str) -> Path:
    """Return the path that a URL of this disk names; relative ones start at the project."""
    return project_root() / Path(urlsplit(url).path if url.startswith("file://") else url)


def home(url: str) -> str:
    """Return where a published file lies, to which what it names may be relative: a URL, or a path of this disk."""
    return url if download.is_remote(url) else str(on_disk(url))
