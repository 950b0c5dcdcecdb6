"""The pictures that a table's rows name: found, fetched where they lie elsewhere, packed in the table's order."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import archive
from stages.core.archive import Unreadable
from stages.core.concurrency import Executor
from stages.core.console import console, track
from stages.core.errors import UserError
from stages.core.files import hash_json, is_safe_filename
from stages.core.redaction import redact_secrets, redact_url
from stages.fetch import located, table
from stages.fetch.cache import bring
from stages.fetch.kinds import kind
from stages.fetch.located import Home, Remote, Source
from stages.fetch.objects import Manner

ROWS = "metadata.jsonl"
REASONS = 5  # shown


@dataclass(frozen=True)
class Artwork:
    """A row of the table; `fault` is what is wrong with it, if anything."""

    row: table.Row
    id: str
    address: str
    label: str | None = None
    fault: str | None = None

    @property
    def path(self) -> str:
        """What it is known by."""
        return self.id

    def member(self, suffix: str) -> str:
        """Return the picture's name in the archive; an id that is no plain name is hashed."""
        name = self.id if is_safe_filename(self.id) and not set(self.id) & set('\\:*?"<>|') else hash_json(self.id)
        return f"images/{name}.{suffix}"


class Pictures:
    """The pictures of artworks, fetched as this is made; `lost` says by row why one is not there."""

    def __init__(self, wanted: Sequence[Artwork], home: Home, root: Path, manner: Manner, engine: Executor) -> None:
        self.wanted, self.lost = wanted, {item.row.number: item.fault for item in wanted if item.fault}
        self._root, self._largest = root, manner.limits.largest
        self._reader = archive.ArchiveReader()
        self._places = dict(self._located(home))
        self._fetch(manner, engine)

    def pack(self, target: Path) -> None:
        """Write what came as a zip: the pictures in the table's order, last a line of JSON for every row."""
        notes = target.with_name(f".{ROWS}")
        archive.write_zip(target, self._members(notes))
        notes.unlink()

    def refuse_none(self, name: str) -> None:
        """Raise a UserError where no picture came at all."""
        if len(self.lost) == len(self.wanted):
            raise UserError(f"{name}: not one of {len(self.wanted)} pictures could be had: {self._reasons()}")

    def tell(self, file: Path) -> None:
        """Write the rows that are lost to a CSV, and say how many of what kind; nothing where none is."""
        if not self.lost:
            return
        items = [item for item in self.wanted if item.row.number in self.lost]
        table.write(file, [failure(item, self.lost[item.row.number]) for item in items])
        came = len(self.wanted) - len(items)
        console.print(
            f"{came} rows with a picture, {len(items)} without ({file.name}): {self._reasons()}", markup=False
        )

    def close(self) -> None:
        """Close the archives."""
        self._reader.close()

    def _located(self, home: Home) -> Iterator[tuple[int, Source | Remote]]:
        """Yield where each row's picture lies; one that lies nowhere is lost."""
        for item in self.wanted:
            if not item.fault:
                try:
                    yield item.row.number, home.find(item.address)
                except Unreadable as error:
                    self.lost[item.row.number] = str(error)

    def _fetch(self, manner: Manner, engine: Executor) -> None:
        """Fetch what lies elsewhere."""
        rows = {place: f"row {number}" for number, place in self._places.items() if isinstance(place, Remote)}
        failed = bring(rows, self._root, manner, engine) if rows else {}
        for number, place in self._places.items():
            if isinstance(place, Remote) and place in failed:
                self.lost[number] = failed[place]

    def _members(self, notes: Path) -> Iterator[tuple[str, bytes | Path]]:
        """Yield name and bytes of every picture, and at last the file of what became of each row."""
        with notes.open("w", encoding="utf-8") as file:
            for item in track(self.wanted, len(self.wanted), "packing"):
                note: dict[str, Any] = {"row": item.row.number, "id": redact_secrets(item.id)}
                content = self._read(item.row.number)
                if content is None:
                    note["dropped"] = self.lost[item.row.number]
                else:
                    note["member"] = item.member(kind(content))
                    yield note["member"], content
                note["values"] = {column: redact_secrets(value) for column, value in item.row.values.items()}
                file.write(json.dumps(note, ensure_ascii=False) + "\n")
        yield ROWS, notes

    def _read(self, number: int) -> bytes | None:
        """Return a row's picture, None where it is lost."""
        if number in self.lost:
            return None
        place = self._places[number]
        source = place.cached(self._root) if isinstance(place, Remote) else place
        try:
            content = located.read(self._reader, source, self._largest)
            kind(content)
        except (Unreadable, UserError) as error:
            self.lost[number] = str(error)
            return None
        return content

    def _reasons(self) -> str:
        """Say why rows are lost, what is most frequent first."""
        counts = Counter(self.lost.values()).most_common()
        shown = [f"{reason} ({count})" for reason, count in counts[:REASONS]]
        return ", ".join(shown) + (", …" if len(counts) > REASONS else "")


def failure(item: Artwork, reason: str) -> dict[str, str]:
    """Return a row of the list of failures."""
    return {
        "row": str(item.row.number),
        "id": redact_secrets(item.id),
        "url": redact_url(item.address),
        "reason": reason,
    }
