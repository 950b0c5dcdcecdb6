"""What decode, preprocess and predict make of hostile pictures: counts, time, memory, and what they should not do."""

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

from attacks.drawn import drawn
from attacks.memory import resident, watched
from attacks.mutations import Mutation
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.core.workspace import CODE_ROOT

GROWTH = 150.0  # MB
SLOWEST = 5.0  # seconds for one file
PATIENCE = 600.0  # seconds for a whole target: what takes longer hangs
SIZE = 64
CLASSES = ("cat", "dog")
T = TypeVar("T")


@dataclass(frozen=True)
class Eaten:
    """What became of the pictures; `slowest` and `seconds` in seconds, `growth` in MB."""

    target: str
    given: int
    kept: int = 0
    refused: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    growth: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        counts = (str(count) for count in (self.given, self.kept, self.refused))
        slowest = f"{self.slowest:.2f}" if self.slowest else ""
        return (self.target, *counts, f"{self.seconds:.1f}", slowest, f"{self.growth:.0f}")

    @property
    def wrong(self) -> list[str]:
        """What does not hold: nothing lost, nothing slow, no memory kept."""
        found = list(self.faults)
        if self.kept + self.refused != self.given:
            found.append(f"{self.kept} kept and {self.refused} refused of {self.given}")
        if self.slowest > SLOWEST:
            found.append(f"a file took {self.slowest:.1f} s")
        if self.growth > GROWTH:
            found.append(f"memory grew by {self.growth:.0f} MB")
        return found


def alone(target: str, given: int, work: Callable[..., dict[str, Any]], *words: Any) -> Eaten:
    """Run the work in a process of its own; one that dies or hangs is a fault."""
    start = time.perf_counter()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            found = pool.submit(work, *words).result(PATIENCE)
        except Exception as error:  # whatever ends the work is what this looks for
            for process in pool._processes.values():
                process.kill()
            found = {"faults": [f"{type(error).__name__}: {error}"]}
    return Eaten(target, given, seconds=time.perf_counter() - start, **found)


def decoded(hostile: Sequence[Mutation]) -> Eaten:
    """Decode each by itself."""
    return alone("decode", len(hostile), decode_each, hostile)


def decode_each(hostile: Sequence[Mutation]) -> dict[str, Any]:
    """Return how many could be decoded, the slowest, and the memory that stayed."""
    from stages.core.image import Undecodable, pixels

    kept, slowest, faults, before = 0, 0.0, [], resident()
    for mutation in hostile:
        start = time.perf_counter()
        try:
            kept += pixels(mutation.data, SIZE, "letterbox").shape == (SIZE, SIZE, 3)
        except Undecodable as error:
            if not str(error) or " at 0x" in str(error):
                faults.append(f"{mutation.name}: refused with {str(error)!r}")
        except Exception as error:
            faults.append(f"{mutation.name}: {type(error).__name__}: {error}")
        slowest = max(slowest, time.perf_counter() - start)
    refused = len(hostile) - kept - len(faults)
    return {"kept": kept, "refused": refused, "slowest": slowest, "growth": resident() - before, "faults": faults}


def member(number: int) -> str:
    """Return the name of a picture in the archive, by turns of either class."""
    return f"{CLASSES[number % 2]}/{number:06d}.jpg"


def prepared(hostile: Sequence[Mutation], scratch: Path) -> Eaten:
    """Prepare an archive of them."""
    raw = scratch / "hostile.zip"
    with zipfile.ZipFile(raw, "w") as archive:
        for number, mutation in enumerate(hostile):
            archive.writestr(member(number), mutation.data)
    return alone("preprocess", len(hostile), prepare, raw, scratch)


def prepare(raw: Path, scratch: Path) -> dict[str, Any]:
    """Return what manifest and store say was kept and dropped, and the memory that all took beyond a tenth of them."""
    from stages.layouts import folder
    from stages.preprocess.pack import pack
    from stages.preprocess.report import report

    config = validate(compose_tree([f"datasets.folder.preprocess.size={SIZE}"])).datasets["folder"].preprocess
    entries = folder.entries(raw, scratch / "nested")
    for target in (scratch / "tenth", scratch / "store"):
        target.mkdir()
    pack(tenth(entries), config, scratch / "tenth")
    before = resident()
    manifest = pack(entries, config, scratch / "store")
    return counted(report("folder", "", manifest, config), scratch / "store") | {"growth": resident() - before}


def tenth(items: Sequence[T]) -> list[T]:
    """Return the first tenth, in which the largest pictures are."""
    return list(items[: max(1, len(items) // 10)])


def counted(report: dict[str, Any], store: Path) -> dict[str, Any]:
    """Return how many were kept and dropped, and where report and store do not agree."""
    import numpy as np

    from stages.preprocess.store import IMAGES

    dropped = report["dropped"]
    stored = sum(len(np.load(file, mmap_mode="r")) for file in (store / IMAGES).parent.iterdir())
    told = sum(sum(labels.values()) for labels in report["splits"].values())
    faults = [] if stored == told else [f"{stored} pictures in the store, {told} in the report"]
    faults += [f"{item['path']}: no reason" for item in dropped if not item["why"]]
    faults += [] if len({item["path"] for item in dropped}) == len(dropped) else ["one is dropped twice"]
    return {"kept": stored, "refused": len(dropped), "faults": faults}


def predicted(hostile: Sequence[Mutation], home: Path) -> Eaten:
    """Label all by `python -m stages.predict --json`; before that a tenth and full batches, which are the measure."""
    files = written(home / "files", [mutation.data for mutation in hostile])
    whole = written(home / "whole", drawn() * 4)
    start = time.perf_counter()
    _, less = predict([*tenth(files), *whole], home)
    rows, most = predict([home / "files"], home)
    named = {row["path"] for row in rows if row.get("error") or row["label"]}
    faults = [f"{file.name}: no answer" for file in files if str(file) not in named]
    refused = sum("error" in row for row in rows)
    kept = len(rows) - refused
    return Eaten("predict", len(files), kept, refused, 0.0, time.perf_counter() - start, most - less, faults)


def written(folder: Path, contents: Sequence[bytes]) -> list[Path]:
    """Write pictures into a new folder; return their files."""
    folder.mkdir()
    files = [folder / f"{number:06d}.jpg" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return files


def predict(words: Sequence[Path], home: Path) -> tuple[list[dict[str, Any]], float]:
    """Return what the command answers, and the most memory it held, MB; raise RuntimeError where it did not answer."""
    command = [sys.executable, "-m", "stages.predict", "model=base_cnn", f"from={home}", "--json", *map(str, words)]
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=CODE_ROOT, stdout=said, stderr=subprocess.DEVNULL)
        most = watched(process, PATIENCE)
        said.seek(0)
        text = said.read()
    try:
        rows = json.loads(text)
    except ValueError:
        raise RuntimeError(f"predict: exit status {process.returncode}, and no JSON: {text[:200]!r}") from None
    if process.returncode != any("error" in row for row in rows):
        raise RuntimeError(f"predict: exit status {process.returncode}")
    return rows, most
