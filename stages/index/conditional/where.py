"""Filters: which rows a search keeps, said in the labels of its columns."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Protocol, Self, TypeVar


class UnknownLabel(ValueError):
    """A label that no row of the column carries; the message names it and the nearest."""


class UnknownColumn(ValueError):
    """A column that the index does not have; the message names it and the nearest."""


class Truth(Protocol):
    """What a filter evaluates to: anything with `&`, `|` and `~`, as an array of booleans has."""

    def __and__(self, other: Self, /) -> Self: ...
    def __or__(self, other: Self, /) -> Self: ...
    def __invert__(self) -> Self: ...


T = TypeVar("T", bound=Truth)


class Where:
    """A condition on rows; join conditions with `&`, `|` and `~`. Equal ones are equal and hash alike."""

    def __and__(self, other: "Where") -> "Where":
        return Both(self, other) if isinstance(other, Where) else NotImplemented

    def __or__(self, other: "Where") -> "Where":
        return Either(self, other) if isinstance(other, Where) else NotImplemented

    def __invert__(self) -> "Where":
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError("a filter has no truth value of its own: join filters with &, | and ~, not and, or, not")

    def evaluate(self, among: "Callable[[Among], T]") -> T:
        """Return the truth of the whole, given that of each `among` in it."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Among(Where):
    """The rows whose label in a column is one of these."""

    column: str
    labels: tuple[str, ...]

    def evaluate(self, among: "Callable[[Among], T]") -> T:
        """Return what `among` says."""
        return among(self)

    def __repr__(self) -> str:
        return f"among({self.column!r}, {list(self.labels)!r})"


@dataclass(frozen=True, repr=False)
class Both(Where):
    """The rows that two conditions keep."""

    left: Where
    right: Where

    def evaluate(self, among: Callable[[Among], T]) -> T:
        """Return left & right."""
        return self.left.evaluate(among) & self.right.evaluate(among)

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@dataclass(frozen=True, repr=False)
class Either(Where):
    """The rows that one of two conditions keeps, or both do."""

    left: Where
    right: Where

    def evaluate(self, among: Callable[[Among], T]) -> T:
        """Return left | right."""
        return self.left.evaluate(among) | self.right.evaluate(among)

    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


@dataclass(frozen=True, repr=False)
class Not(Where):
    """The rows that a condition does not keep."""

    inner: Where

    def evaluate(self, among: Callable[[Among], T]) -> T:
        """Return ~inner."""
        return ~self.inner.evaluate(among)

    def __repr__(self) -> str:
        return f"~{self.inner!r}"


def among(column: str, labels: Iterable[str]) -> Where:
    """Return the condition that a row's label in a column is one of these; no labels keep no row."""
    chosen = [labels] if isinstance(labels, str) else list(labels)
    if isinstance(labels, str) or not all(isinstance(label, str) for label in chosen):
        raise TypeError(f"{column}: labels are a list of strings, not {labels!r}")
    return Among(column, tuple(sorted(set(chosen))))


def where_of(choice: Mapping[str, Iterable[str]]) -> Where | None:
    """Return the condition that every column named here carries one of its labels; None, no condition, for none."""
    conditions = [among(column, labels) for column, labels in choice.items()]
    return reduce(and_, conditions) if conditions else None
