"""`python -m stages.fetch dataset=NAME`: the published archive, or a drawn one in its layout, checked and recorded."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from stages.config import project
from stages.console import console
from stages.door import Job, door
from stages.errors import UserError
from stages.fetch import archive, download
from stages.fetch.subset import subset
from stages.files import sha256_file, write_json
from stages.place import RAW
from stages.registry import LAYOUT, load
from stages.schema import Fetch

CACHE = "data/cache"


@door("fetch", picks="dataset")
def main(job: Job) -> None:
    """Bring the archive, keep what `limit` allows, and record what it is."""
    fetch = job.dataset.fetch
    layout = load(LAYOUT, fetch.layout, job.tree.plugins)
    with job.place.write(RAW, job.name) as folder:
        file = bring(fetch, layout, folder)
        file = limited(fetch, layout, file, folder)
        size = file.stat().st_size
        record = {
            "file": file.name,
            "bytes": size,
            "sha256": sha256_file(file),
            "url": download.public(fetch.url),
        }
        write_json(folder / "fetch.json", record)
    console.print(f"fetched {job.name}: {record['file']}, {size / 2**20:.1f} MB")


def bring(fetch: Fetch, layout: ModuleType, folder: Path) -> Path:
    """Return the archive in the folder: drawn, downloaded, copied, or packed from a folder of files."""
    if fetch.url == "synthetic":
        drawn: Path = layout.draw(folder, fetch.synthetic, fetch.seed)
        return drawn
    if download.is_remote(fetch.url):
        cached = download.download(fetch.url, project() / CACHE, fetch.sha256)
        download.place(cached, folder / cached.name)
        return folder / cached.name
    return local(fetch, folder)


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


def limited(fetch: Fetch, layout: ModuleType, file: Path, folder: Path) -> Path:
    """Check that the archive holds what the layout expects, and repack it where `limit` keeps fewer."""
    scratch = folder / "nested"
    entries = layout.entries(file, scratch)
    if not any(entry.label for entry in entries):
        raise UserError(f"{file.name}: no labelled picture in it; layout {fetch.layout} expects {layout.EXPECTED}")
    if fetch.limit is not None:
        reader = archive.Reader()
        kept = subset(entries, fetch.limit, fetch.seed)
        repacked = folder / f"limit-{fetch.limit}.zip"
        archive.pack(repacked, readable(reader, kept))
        file.unlink()
        file = repacked
    for nested in scratch.glob("*.zip"):
        nested.unlink()
    if scratch.exists():
        scratch.rmdir()
    return file


def readable(reader: archive.Reader, entries: list[archive.Entry]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of entries; one that is damaged is named and left out."""
    for entry in entries:
        try:
            yield entry.path, reader.read(entry)
        except archive.Unreadable as error:
            console.print(f"left out {entry.path}: {error}", markup=False)


if __name__ == "__main__":
    main()
