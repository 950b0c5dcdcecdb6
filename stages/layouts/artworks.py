"""A table whose rows are artworks: `id, Title, Artist, Thumbnail_Url, …`; `images/<id>.jpg`, … in the archive of them.

The table is a TSV, CSV or JSON lines, by its name; or an archive or a folder with one such table and the pictures.
What cannot be had is dropped, and listed with its reason.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages.config.schema import Synthetic
from stages.core.archive import ABSENT, Entry, iter_lines, list_members
from stages.core.concurrency import Executor, LocalExecutor
from stages.core.errors import UserError
from stages.core.errors import require_known as known
from stages.core.files import atomic_file, hash_json
from stages.core.redaction import redact_secrets
from stages.core.workspace import project_root
from stages.fetch import located, table
from stages.fetch.artworks import lost, photograph, photographs, works
from stages.fetch.kinds import kind
from stages.fetch.limits import Limits
from stages.fetch.objects import Manner
from stages.fetch.pictures import ROWS, Artwork, Pictures
from stages.layouts.base import Choose

EXPECTED = "a table (TSV, CSV, JSON lines) with a column of ids and one of addresses of pictures"
COLUMNS = ("id", "Title", "Artist", "Thumbnail_Url", "Image_Url", "Culture", "Classification", "Museum")
DRAWN = "data/cache/drawn/{}"
FIRST = 100_001  # the id of the first drawn artwork
ARCHIVE, FAILED = "images.zip", "failed.csv"


def entries(raw: Path, scratch: Path, *, label: str | None = None) -> list[Entry]:  # noqa: ARG001
    """Return every picture of the archive at `raw`, and every row that has none; `label` is the column of classes."""
    index = {name: number for number, name in list_members(raw)}
    return [entry(raw, index, row, label) for row in rows(raw)]


def entry(raw: Path, index: dict[str, int], row: dict[str, Any], label: str | None) -> Entry:
    """Return what a row became."""
    if "member" not in row:
        path = row["id"] or f"row {row['row']}"
        return Entry(raw, ABSENT, path, None, remark=row["dropped"], unwanted=True)
    value = row["values"][known("fetch.layout.label", label, row["values"])].strip() if label else ""
    return Entry(raw, index[row["member"]], row["member"], value or None)


def metadata(raw: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield path and values, by column, of every picture of the archive at `raw`, without secrets in addresses."""
    for row in rows(raw):
        if "member" in row:
            yield row["member"], {column: redact_secrets(value) for column, value in row["values"].items()}


def rows(raw: Path) -> Iterator[dict[str, Any]]:
    """Yield what the archive says of every row of the table."""
    return map(json.loads, iter_lines(raw, ROWS))


def items(
    published: Path,
    *,
    id: str = "id",  # noqa: A002
    image: str = "Thumbnail_Url",
    label: str | None = None,
) -> list[Artwork]:
    """Return the rows of the table, or raise a UserError where it is none, by row and column."""
    with TemporaryDirectory() as scratch:
        return artworks(located.home(published, Path(scratch), "", True).table, id, image, label)


def artworks(path: Path, key: str, image: str, label: str | None) -> list[Artwork]:
    """Return the rows of a table; one that has no id or no address, or another row's id, has that as its fault."""
    first: dict[str, int] = {}
    found = []
    for row in table.read(path, [key, image, *([label] if label else [])]):
        name, address = row.values[key].strip(), row.values[image].strip()
        fault = fault_of(name, address, first, key, image)
        first.setdefault(name, row.number)
        found.append(Artwork(row, name, address, row.values[label].strip() or None if label else None, fault))
    if not found:
        raise UserError(f"{path.name}: no row in it; expected the columns {key} and {image}")
    return found


def fault_of(name: str, address: str, first: dict[str, int], key: str, image: str) -> str | None:
    """Return what is wrong with a row; `first` says which row had an id before."""
    if not name:
        return f"no {key}"
    if name in first:
        return f"{key} as in row {first[name]}"
    return None if address else f"no {image}"


def collect(
    published: Path,
    folder: Path,
    choose: Choose,
    trusted: bool,
    home: str,
    engine: Executor | None = None,
    *,
    id: str = "id",  # noqa: A002
    image: str = "Thumbnail_Url",
    label: str | None = None,
    root: str = "data/cache/artworks",
    workers: int = 32,
    per_host: int = 8,
    attempts: int = 3,
    timeout: float = 60,
    max_mb: float = 16,
) -> Path:
    """Fetch what the chosen rows name into a cache; return it as an archive, the table and the failures beside it.

    A table that came from elsewhere is not `trusted` to name files of this disk; `home` is where that was.
    """
    check(workers=workers, per_host=per_host, attempts=attempts, timeout=timeout, max_mb=max_mb)
    manner = Manner(workers, per_host, attempts, Limits(int(max_mb * 2**20), timeout), kind)
    scratch = folder / "nested"
    place = located.home(published, scratch, home, trusted)
    found = artworks(place.table, id, image, label)
    chosen = {item.id for item in choose([item for item in found if not item.fault])}
    wanted = [item for item in found if item.fault or item.id in chosen]
    target = folder / ARCHIVE
    with (
        closing(Pictures(wanted, place, project_root() / root, manner, engine or LocalExecutor())) as pictures,
        atomic_file(target) as partial,
    ):
        pictures.pack(partial)
        pictures.refuse_none(published.name)
        if place.table != published:
            published.unlink()
            place.table.replace(folder / place.table.name)
        table.bare(folder / place.table.name)
    shutil.rmtree(scratch, ignore_errors=True)
    pictures.tell(folder / FAILED)
    return target


def check(**given: float) -> None:
    """Raise a UserError for a key that is out of range."""
    for name, value in given.items():
        counted = name in ("workers", "per_host", "attempts")
        if value < 1 if counted else value <= 0:
            allowed = "at least 1" if counted else "above 0"
            raise UserError(f"fetch.layout.{name}: {value} is out of range; it must be {allowed}")


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw artworks into files of this disk, a few of them broken or missing; return the table that names them."""
    drawn = works(spec)
    place = DRAWN.format(hash_json([spec.model_dump(), seed]))
    (project_root() / place).mkdir(parents=True, exist_ok=True)
    rows = [{"id": str(FIRST + work.number), **work.about(seed)} for work in drawn]
    for row in rows[spec.images :]:
        row["Culture"] = ""
    files: Iterator[bytes | None] = photographs(drawn, spec, seed)
    if spec.corrupt:
        sample = photograph((drawn[0], spec.smallest, spec.largest, seed + 1))
        rows += [{**rows[n % len(drawn)], "id": str(FIRST + len(drawn) + n)} for n in range(spec.corrupt)]
        files = chain(files, (lost(n, sample) for n in range(spec.corrupt)))
    for row, content in zip(rows, files, strict=True):
        file = f"{place}/{row['id']}.jpg"
        row |= {"Thumbnail_Url": f"file:{file}", "Image_Url": f"https://example.org/artworks/{row['id']}"}
        (project_root() / file).unlink(missing_ok=True)
        if content is not None:
            (project_root() / file).write_bytes(content)
    table.write(folder / "artworks.tsv", [{name: row[name] for name in COLUMNS} for row in rows], "\t")
    return folder / "artworks.tsv"
