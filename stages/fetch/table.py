"""Published tables (CSV): what is wrong with one is said by row, counted as a spreadsheet does, and column."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.errors import UserError
from stages.files import atomic_file


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


def read(path: Path, required: Sequence[str]) -> list[Row]:
    """Return a CSV's rows, or raise a UserError for a column that is missing or a row of another width."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file, strict=True)
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
    missing = [column for column in required if column not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        raise UserError(f"{table}, row 1: no column {', '.join(missing)}; there is {found}")
    if len(set(columns)) < len(columns):
        raise UserError(f"{table}, row 1: a column stands there twice: {', '.join(columns)}")
    for number, line in enumerate(lines, 2):
        if line and len(line) != len(columns):
            raise UserError(f"{table}, row {number}: {len(line)} values for {len(columns)} columns")
        if line:
            yield Row(table, number, dict(zip(columns, line, strict=True)))


def write(path: Path, found: Sequence[dict[str, str]]) -> None:
    """Write rows as CSV."""
    with atomic_file(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
