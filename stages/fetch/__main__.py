"""`python -m stages.fetch dataset=NAME`: the published archive, or a drawn one in its layout, checked and recorded."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from stages.config.command import stage_command
from stages.config.schema import Fetch
from stages.core import archive
from stages.core.archive import Unreadable
from stages.core.concurrency import Executor
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.files import hash_file, write_json
from stages.core.redaction import redact_url
from stages.core.workspace import RAW
from stages.fetch.origin import bring, home
from stages.fetch.subset import Labelled, subset
from stages.layouts.base import Layout, layout

T = TypeVar("T", bound=Labelled)


@stage_command("fetch", select="dataset")
def main(job: StageContext) -> None:
    """Gets a dataset's archive from its `fetch.url` (or draws it) into data/raw/NAME, and records its hash."""
    fetch, engine = job.dataset.fetch, job.executor
    published = layout(fetch.layout, job.tree.plugins)
    with job.workspace.output(RAW, job.name) as folder:
        file = bring(fetch, published, folder)
        if published.tabular:
            file = collected(fetch, published, file, folder, engine)
        else:
            file = limited(fetch, published, file, folder)
        record = {"file": file.name, **described(file), "url": redact_url(fetch.url)}
        parts = {name: described(folder / name) for name in fetch.extra_files if (folder / name).exists()}
        write_json(folder / "fetch.json", record | ({"parts": parts} if parts else {}))
        size = sum(item.stat().st_size for item in (file, *(folder / name for name in parts)))
    console.print(f"fetched {job.name}: {', '.join([file.name, *parts])}, {size / 2**20:.1f} MB")


def collected(fetch: Fetch, published: Layout, file: Path, folder: Path, engine: Executor) -> Path:
    """Return an archive of the pictures that a table names, of those rows that `limit` keeps."""
    archived = published.collect(file, folder, lambda rows: chosen(rows, fetch), home(fetch.url), engine)
    published.entries(archived, folder / "nested")
    return archived


def chosen(found: Sequence[T], fetch: Fetch) -> list[T]:
    """Return what `limit` keeps."""
    return list(found) if fetch.limit is None else subset(found, fetch.limit, fetch.seed)


def limited(fetch: Fetch, published: Layout, file: Path, folder: Path) -> Path:
    """Check that the archive holds what the layout expects, and repack it where `limit` keeps fewer."""
    scratch = folder / "nested"
    entries = published.entries(file, scratch)
    if fetch.limit is not None:
        kept = chosen([entry for entry in entries if not entry.unwanted], fetch)
        repacked = folder / f"limit-{fetch.limit}.zip"
        archive.write_zip(repacked, contents(published, kept))
        file.unlink()
        file = repacked
    shutil.rmtree(scratch, ignore_errors=True)
    return file


def contents(published: Layout, entries: list[archive.Entry]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of entries, and of what goes with them; one that is damaged is named and left out."""
    kept = []
    with closing(archive.ArchiveReader()) as reader:
        for entry in entries:
            try:
                yield entry.path, reader.read(entry)
                kept.append(entry)
            except Unreadable as error:
                console.print(f"left out {entry.path}: {error}", markup=False)
    yield from published.companions(kept)


def described(file: Path) -> dict[str, int | str]:
    """Return how long a file is, and its hash."""
    return {"bytes": file.stat().st_size, "sha256": hash_file(file)}


if __name__ == "__main__":
    main()
