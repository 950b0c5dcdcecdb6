"""Hostile archives go through fetch's and preprocess' own steps, in every layout that reads archives."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.drawn import picture, saved
from attacks.memory import resident
from attacks.verdict import verdict
from attacks.zips import Member, Named, hostile
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import Preprocess
from stages.core import archive
from stages.core.console import console, track
from stages.core.errors import UserError
from stages.layouts import artworks, folder, kaggle, petimages, stanford_dogs
from stages.layouts.base import Layout
from stages.preprocess.pack import pack
from stages.preprocess.report import report

GOOD = 12  # pictures of every archive
SLOWEST = 10.0  # seconds for one archive
GROWTH = 150.0  # MB
BESIDE = 16 * 2**20  # bytes that an archive may unpack to beside a multiple of its size; a gigabyte outside of tests
PATIENCE = 900.0


@dataclass(frozen=True)
class Kind:
    """A layout, its keys, and how it names pictures: of a class and with a word in it."""

    layout: Layout
    named: Callable[[str, str], str]

    def base(self) -> list[Member]:
        """Return good members."""
        members = [(self.named(("cat", "dog")[n % 2], str(n)), saved(picture("RGB", n), "JPEG")) for n in range(GOOD)]
        if self.layout.name == "artworks":
            lines = "".join(f"{n}\t{name}\n" for n, (name, _) in enumerate(members))
            members.append(("table.tsv", f"id\tThumbnail_Url\n{lines}".encode()))
        return members

    def bad(self) -> Named:
        """Return how a hostile picture is named."""
        return lambda word: self.named("cat", word)


KINDS = {
    "kaggle": Kind(Layout("kaggle", kaggle, {}), lambda kind, word: f"train/{kind}.{word}.jpg"),
    "petimages": Kind(Layout("petimages", petimages, {}), lambda kind, word: f"PetImages/{kind.title()}/{word}.jpg"),
    "folder": Kind(Layout("folder", folder, {}), lambda kind, word: f"all/{kind}/{word}.jpg"),
    "stanford_dogs": Kind(
        Layout("stanford_dogs", stanford_dogs, {"official_split": False}),
        lambda kind, word: f"Images/n0{len(kind)}{ord(kind[0])}-{kind}/n0_{word}.jpg",
    ),
    "artworks": Kind(Layout("artworks", artworks, {}), lambda kind, word: f"pictures/{kind}_{word}.jpg"),
}


@dataclass(frozen=True)
class Met:
    """What a layout made of the hostile archives."""

    layout: str
    archives: int = 0
    refused: int = 0
    prepared: int = 0
    slowest: float = 0.0
    growth: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        found = list(self.faults)
        if self.growth > GROWTH:
            found.append(f"memory grew by {self.growth:.0f} MB")
        return found

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        counts = (str(count) for count in (self.archives, self.refused, self.prepared))
        return (self.layout, *counts, f"{self.slowest:.1f}", f"{self.growth:.0f}")


def met(name: str, home: Path) -> Met:
    """Let a layout meet every hostile archive, in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(meet, name, home).result(PATIENCE)
        except Exception as error:  # whatever ends the process is what this looks for
            for process in pool._processes.values():
                process.kill()
            return Met(name, faults=[f"{type(error).__name__}: {error}"])


def meet(name: str, home: Path) -> Met:
    """Go through the archives one by one."""
    archive.EXTRA_BYTES = BESIDE
    kind, faults = KINDS[name], []
    count = refused = 0
    slowest, before = 0.0, 0.0
    for what, content in hostile(kind.base(), kind.bad(), saved(picture("RGB", 99), "JPEG")):
        begun = time.monotonic()
        outcome, fault = tried(kind, content, home / name / str(count))
        took = time.monotonic() - begun
        faults += [f"{what}: {one}" for one in [*fault, *([f"took {took:.0f} s"] if took > SLOWEST else [])]]
        slowest, count, refused = max(slowest, took), count + 1, refused + (outcome == "refused")
        before = before or resident()
    return Met(name, count, refused, count - refused, slowest, resident() - before, faults)


def tried(kind: Kind, content: bytes, home: Path) -> tuple[str, list[str]]:
    """Prepare an archive; return whether it was refused, and what is wrong with how."""
    inside = home / "inside" / "a" / "b" / "c" / "d" / "e" / "f" / "g"
    inside.mkdir(parents=True)
    raw = inside / "raw.bin"
    raw.write_bytes(content)
    (home / "canary").write_bytes(b"canary")
    before = outside(home, inside)
    outcome, faults = "prepared", []
    try:
        with console.capture():
            faults = prepared(kind, raw, inside)
    except UserError as error:
        outcome, said = "refused", str(error)
        faults = [] if re.search("raw|table", said) and len(said) < 2000 else [f"unclear: {said[:300]}"]
    except Exception as error:
        faults = [f"{type(error).__name__}: {error}"[:300]]
    written = sum(file.stat().st_size for file in inside.rglob("*") if file.is_file())
    if written > len(content) * (2 + archive.MAX_EXPANSION) + archive.EXTRA_BYTES:
        faults.append(f"{written / 2**20:.0f} MB were written")
    if outside(home, inside) != before:
        faults.append("something was written outside")
    return outcome, faults


def outside(home: Path, inside: Path) -> dict[str, bytes]:
    """Return every file that lies outside of where one may be written, and the places that names lead to."""
    files = [file for file in home.rglob("*") if file.is_file() and inside not in file.parents]
    beyond = [Path(name) for name in ("/train", "/PetImages", "/all", "/Images", "/pictures", "/dev/shm/train")]
    return {str(file): file.read_bytes() for file in files} | {str(one): b"" for one in beyond if one.exists()}


def prepared(kind: Kind, raw: Path, inside: Path) -> list[str]:
    """Go the way of fetch and preprocess; return what is wrong with the counts."""
    layout, store = kind.layout, inside / "store"
    store.mkdir()
    if layout.tabular:
        raw = layout.collect(raw, inside, list, str(raw))
    entries = layout.entries(raw, inside / "nested")
    found = report("hostile", "", pack(entries, config(), store), config())
    kept = sum(sum(labels.values()) for labels in found["splits"].values())
    faults = [] if kept + len(found["dropped"]) == len(entries) else [f"{kept} kept of {len(entries)}"]
    if not kept:
        raise UserError("raw: every picture is dropped, by name: preprocess refuses such a set")
    faults += [] if kept >= GOOD else [f"only {kept} of {GOOD} good pictures are left"]
    return faults + [f"{item['path'][:99]}: no reason" for item in found["dropped"] if not item["why"]]


@cache
def config() -> Preprocess:
    """Return how pictures are prepared."""
    return validate(compose_tree(["datasets.folder.preprocess.size=32"])).datasets["folder"].preprocess


def main() -> int:
    """Let every layout meet every hostile archive."""
    parser = argparse.ArgumentParser(prog="python -m attacks.archives", description=__doc__)
    parser.add_argument("--layouts", nargs="*", choices=[*KINDS, []], default=[], help="only these (default: all)")
    chosen: Sequence[str] = parser.parse_args().layouts or list(KINDS)
    with TemporaryDirectory() as home:
        found = [met(name, Path(home)) for name in track(chosen, len(chosen), "layouts")]
    columns = ("layout", "archives", "refused", "prepared", "slowest, s", "MB more")
    return verdict(columns, ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
