"""Published tables (CSV, TSV, JSON lines): what is wrong with one is said by row, as spreadsheets count, and column."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from stages.core.errors import UserError
from stages.core.files import atomic_file
from stages.core.redaction import redact_secrets

COMMA, TAB, LINES = (".csv",), (".tsv", ".tab"), (".jsonl", ".ndjson")
SUFFIXES = (*COMMA, *TAB, *LINES)


@dataclass(frozen=True)
class Row:
    """One row: its number (the header is row 1) and its values by column."""

    table: str
    number: int
    values: dict[str, str]

    def text(self, column: str) -> str:
        """Return a value that must not be empty."""
        value = self.values[column].strip()
        if not value:
            raise self.wrong(column, "is empty")
        return value

    def whole(self, column: str) -> int:
        """Return a value that must be a whole number."""
        try:
            return int(self.text(column))
        except ValueError:
            raise self.wrong(column, "is not a whole number") from None

    def wrong(self, column: str, why: str) -> UserError:
        """Return the error of a value."""
        value = self.values.get(column)
        return UserError(f"{self.table}, row {self.number}, column {column}: {value!r} {why}")


def form(name: str) -> str:
    """Return what kind of table a file is by its name, one of SUFFIXES, or "" where it is none; `.gz` may follow."""
    small = name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if small.endswith(suffix)), "")


def read(path: Path, required: Sequence[str]) -> list[Row]:
    """Return a table's rows, or raise a UserError for a column that is missing or a row of another width.

    Where the name does not say otherwise it is a CSV. A TSV's quotes count only where all of it can be read so.
    """
    if form(path.name) in LINES:
        return objects(path, required)
    if form(path.name) in TAB:
        try:
            return separated(path, required, delimiter="\t")
        except UserError:
            return separated(path, required, delimiter="\t", quoting=csv.QUOTE_NONE)
    return separated(path, required)


@contextmanager
def text(path: Path, kind: str) -> Iterator[TextIO]:
    """Open a table's text; raise a UserError where it is damaged, in another code, or not of its kind."""
    opening: Any = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opening(path, "rt", newline="", encoding="utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name}: not in UTF-8 ({error.reason} at byte {error.start}); is it a {kind}?") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path.name}: damaged, or only a part of it ({error}); fetch it again") from error


def separated(path: Path, required: Sequence[str], **dialect: Any) -> list[Row]:
    """Return the rows of a table whose values are separated by commas or tabs."""
    with text(path, "CSV") as file:
        lines = csv.reader(file, strict=True, **dialect)
        try:
            return list(rows(path.name, lines, required))
        except csv.Error as error:
            raise UserError(
                f"{path.name}, before row {lines.line_num + 1}: no CSV ({error}); is a quote open?"
            ) from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path.name}, after row {lines.line_num}: not in UTF-8 ({error.reason})") from error


def rows(table: str, lines: Iterator[list[str]], required: Sequence[str]) -> Iterator[Row]:
    """Yield the rows behind the header; empty lines are none."""
    columns = next(lines, [])
    refuse_missing(table, columns, required)
    if len(set(columns)) < len(columns):
        raise UserError(f"{table}, row 1: a column stands there twice: {', '.join(columns)}")
    for number, line in enumerate(lines, 2):
        if line and len(line) != len(columns):
            raise UserError(f"{table}, row {number}: {len(line)} values for {len(columns)} columns")
        if line:
            yield Row(table, number, dict(zip(columns, line, strict=True)))


def refuse_missing(table: str, columns: Sequence[str], required: Sequence[str]) -> None:
    """Raise a UserError for a column that a table lacks."""
    missing = [column for column in required if column not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        raise UserError(f"{table}, row 1: no column {', '.join(missing)}; there is {found}")


def objects(path: Path, required: Sequence[str]) -> list[Row]:
    """Return the rows of a table of JSON lines; a column that an object lacks is empty there."""
    with text(path, "table of JSON lines") as file:
        found = [(number, parsed(path.name, number, line)) for number, line in enumerate(file, 1) if line.strip()]
    columns = list(dict.fromkeys(column for _, values in found for column in values))
    refuse_missing(path.name, columns, required)
    return [Row(path.name, number, {name: said(values.get(name)) for name in columns}) for number, values in found]


def parsed(table: str, number: int, line: str) -> dict[str, Any]:
    """Return the object that a line is."""
    try:
        values = json.loads(line)
        if "\\u" in line:
            json.dumps(values, ensure_ascii=False).encode()  # half of a surrogate pair can be said, but not written
    except (ValueError, RecursionError) as error:
        raise UserError(f"{table}, row {number}: no JSON ({error})") from error
    if not isinstance(values, dict):
        raise UserError(f"{table}, row {number}: a {type(values).__name__}; each line must be an object")
    return values


def said(value: Any) -> str:
    """Return a JSON value as text: nothing for null, lists and objects as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write(path: Path, found: Sequence[dict[str, str]], delimiter: str = ",") -> None:
    """Write rows as CSV, or with another delimiter."""
    with atomic_file(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n", delimiter=delimiter)
        writer.writeheader()
        writer.writerows(found)


def bare(path: Path) -> None:
    """Take what lets their holder in out of the addresses in a table; a table without such stays as it is."""
    with text(path, "table") as file:
        if all(line == redact_secrets(line) for line in file):
            return
    with atomic_file(path) as scratch, text(path, "table") as file, scratch.open("wb") as target:
        packed = gzip.GzipFile("", "wb", fileobj=target, mtime=0) if path.name.lower().endswith(".gz") else target
        packed.writelines(redact_secrets(line).encode() for line in file)
        packed.flush()
        if packed is not target:
            packed.close()
