"""A published layout, opened as the config names it: a file in `stages/fetch/layouts/` and its keys."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.errors import UserError
from stages.fetch.archive import Entry
from stages.registry import LAYOUT, load, selected
from stages.schema import Synthetic


@dataclass(frozen=True)
class Layout:
    """What the published files look like."""

    name: str
    module: ModuleType
    keys: dict[str, Any]

    def entries(self, raw: Path, scratch: Path) -> list[Entry]:
        """Return every picture of an archive, or raise a UserError where none is labelled."""
        found: list[Entry] = self.module.entries(raw, scratch, **self.keys)
        if not any(entry.label for entry in found):
            expected = self.module.EXPECTED
            raise UserError(f"{raw.name}: no labelled picture in it; layout {self.name} expects {expected}")
        return found

    def draw(self, folder: Path, spec: Synthetic, seed: int) -> Path:
        """Draw pictures into an archive of this layout."""
        drawn: Path = self.module.draw(folder, spec, seed)
        return drawn


def layout(given: dict[str, Any], plugins: list[str]) -> Layout:
    """Open the layout that a dataset's `fetch.layout` names."""
    name, keys = selected(given)
    return Layout(name, load(LAYOUT, name, plugins), keys)
