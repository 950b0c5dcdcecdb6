"""A published layout, opened as the config names it: a file in `stages/layouts/` and its keys."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.config.schema import Synthetic
from stages.core.archive import Entry
from stages.core.concurrency import Executor
from stages.core.download import is_remote
from stages.core.errors import UserError
from stages.core.registry import LAYOUT, load_module, split_options

SYNTHETIC = "synthetic"
Choose = Callable[[Sequence[Any]], list[Any]]


@dataclass(frozen=True)
class Layout:
    """What the published files look like: an archive of pictures, or a table of where they lie."""

    name: str
    module: ModuleType
    keys: dict[str, Any]

    @property
    def tabular(self) -> bool:
        """Whether it is a table, whose pictures have to be collected."""
        return hasattr(self.module, "collect")

    @property
    def kind(self) -> str | None:
        """What a class is called ("breed"), where preprocess shall write the classes' numbers for others to read."""
        return getattr(self.module, "CLASS", None)

    @property
    def collected(self) -> bool:
        """Whether it is a collection: pictures with metadata and, as no column is named for it, without classes."""
        return hasattr(self.module, "metadata") and self.keys.get("label") is None

    @property
    def caveat(self) -> str | None:
        """What the published pictures are not good for."""
        return getattr(self.module, "CAVEAT", None)

    def entries(self, raw: Path, scratch: Path) -> list[Entry]:
        """Return every picture of an archive; of a set that has classes, raise a UserError where there are not two."""
        found: list[Entry] = self.module.entries(raw, scratch, **self._keys(self.module.entries))
        if self.collected and not all(entry.unwanted for entry in found):
            return found
        if not any(entry.label for entry in found):
            expected = self.module.EXPECTED
            raise UserError(f"{raw.name}: no labelled picture in it; layout {self.name} expects {expected}")
        classes = {entry.label for entry in found if entry.label and not entry.unwanted}
        if len(classes) == 1:
            raise UserError(
                f"{raw.name}: every labelled picture in it is of class {classes.pop()!r}; a classifier needs two"
            )
        return found

    def companions(self, kept: Sequence[Entry]) -> list[tuple[str, bytes]]:
        """Return name and bytes of what an archive of these entries needs beside pictures."""
        if not hasattr(self.module, "companions"):
            return []
        found: list[tuple[str, bytes]] = self.module.companions(kept, **self._keys(self.module.companions))
        return found

    def check(self, published: Path, scratch: Path) -> None:
        """Raise a UserError where a file is not of this layout."""
        if self.tabular:
            self.module.items(published, **self._keys(self.module.items))
        else:
            self.entries(published, scratch)

    def collect(self, published: Path, folder: Path, choose: Choose, home: str, engine: Executor | None = None) -> Path:
        """Return an archive of what the chosen rows of a table name.

        `home` is where the table comes from; one of this disk is trusted to name files of it.
        """
        given: dict[str, Any] = {"published": published, "folder": folder, "choose": choose, "home": home}
        given |= {"trusted": not is_remote(home), "engine": engine}
        taken = inspect.signature(self.module.collect).parameters
        keys = self._keys(self.module.collect)
        archive: Path = self.module.collect(**{name: given[name] for name in given if name in taken}, **keys)
        return archive

    def metadata(self, raw: Path) -> Iterator[tuple[str, dict[str, str]]] | None:
        """Yield path and values, by column, of every picture in an archive; None where the layout has none."""
        if not hasattr(self.module, "metadata"):
            return None
        found: Iterator[tuple[str, dict[str, str]]] = self.module.metadata(raw)
        return found

    def draw(self, folder: Path, spec: Synthetic, seed: int) -> Path:
        """Draw pictures into an archive of this layout."""
        drawn: Path = self.module.draw(folder, spec, seed)
        return drawn

    def _keys(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return the keys that are arguments of this function."""
        return {name: self.keys[name] for name in inspect.signature(function).parameters if name in self.keys}


def layout(given: dict[str, Any], plugins: list[str]) -> Layout:
    """Open the layout that a dataset's `fetch.layout` names."""
    name, keys = split_options(given)
    return Layout(name, load_module(LAYOUT, name, plugins), keys)
