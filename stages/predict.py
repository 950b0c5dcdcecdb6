"""`python -m stages.predict model=NAME IMAGE|FOLDER …`: label pictures with a packaged model; torch is not loaded."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.table import Table

from bento.model import Model
from stages.config import project
from stages.console import console
from stages.errors import UserError, choose, refusal
from stages.place import PACKAGE, PREPARED, Place
from stages.preprocess.decode import Undecodable, decode
from stages.sheet import captioned

KEYS = {"model": None, "from": None, "split": None, "show": "false"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
BATCH = 32


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture, or why it says nothing."""

    path: str
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The most probable class."""
        return next(iter(self.probabilities), None)

    @property
    def probability(self) -> float | None:
        """The probability of that class."""
        return next(iter(self.probabilities.values()), None)


def main() -> None:
    """Label pictures; the exit status is 1 where one of them could not be read."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.predict",
        description=__doc__,
        usage="%(prog)s model=NAME [from=RUN] [split=unlabelled] [show=true] [--json | --csv] [IMAGE | FOLDER ...]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: every class's probability")
    parser.add_argument("--csv", action="store_true", help="print CSV: path, label, probability, error")
    parser.add_argument("words", nargs="+", metavar="KEY=VALUE | IMAGE | FOLDER")
    arguments = parser.parse_intermixed_args()
    try:
        answers = list(answer(arguments.words))
    except UserError as error:
        sys.exit(refusal(error))
    form = as_json if arguments.json else as_csv if arguments.csv else as_table
    form(answers)
    sys.exit(any(item.error for item in answers))


def answer(words: list[str]) -> Iterator[Answer]:
    """Label what the words name: files, folders, or a split of the model's prepared dataset."""
    keys, paths = parse(words)
    place = Place(Path(str(keys["from"] or project())).resolve(), project())
    model = open_model(place, keys["model"])
    if keys["split"]:
        yield from of_split(model, place, str(keys["split"]))
    elif not paths:
        raise UserError("no picture named; give files, folders, or split=unlabelled")
    target = shown_folder() if keys["show"] == "true" else None
    files = list(pictures(paths))
    for start in range(0, len(files), BATCH):
        yield from of_files(model, files[start : start + BATCH], target)


def parse(words: list[str]) -> tuple[dict[str, str | None], list[Path]]:
    """Tell key=value from paths; a path that exists may hold an equals sign."""
    keys: dict[str, str | None] = dict(KEYS)
    paths = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and not Path(word).exists():
            keys[choose("predict", name, KEYS)] = value
        else:
            paths.append(Path(word))
    choose("show", str(keys["show"]), ("true", "false"))
    return keys, paths


def open_model(place: Place, name: str | None) -> Model:
    """Open a packaged model by name."""
    bases = {base / PACKAGE.format("") for base in (place.root, place.project)}
    known = sorted({file.parent.name for base in bases for file in base.glob("[!.]*/model.json")})
    if name is None:
        raise UserError(f"model: not chosen; say model=… with one of {', '.join(known) or 'none: run `dvc repro`'}")
    if not known:
        raise UserError(f"model {name}: nothing is packaged yet; make it with `dvc repro package@{name}`")
    return Model(place.read(PACKAGE, choose("model", name, known)))


def pictures(paths: list[Path]) -> Iterator[Path]:
    """Yield files as named, and every picture below a folder, sorted."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        else:
            yield path


def of_files(model: Model, files: list[Path], target: Path | None) -> Iterator[Answer]:
    """Label files as one batch; one that cannot be read is reported and the rest go on."""
    for file, row in zip(files, model.predict_each(map(content, files)), strict=True):
        if isinstance(row, Undecodable):
            yield Answer(str(file), error=str(row))
            continue
        found = Answer(str(file), model.ranked(row))
        if target is not None:
            show(file, found, target)
        yield found


def content(file: Path) -> bytes | Undecodable:
    """Return a file's bytes, or why there are none."""
    try:
        return file.read_bytes()
    except OSError as error:
        return Undecodable(str(error))


def of_split(model: Model, place: Place, split: str) -> Iterator[Answer]:
    """Label a split of the dataset that the model was trained on."""
    from stages.preprocess.store import Store

    found = Store(place.read(PREPARED, model.contract["dataset"])).split(split)
    for start in range(0, len(found), BATCH):
        rows = model.run(np.ascontiguousarray(found.images[start : start + BATCH]))
        for path, row in zip(found.paths[start : start + BATCH], rows, strict=True):
            yield Answer(path, model.ranked(row))


def shown_folder() -> Path:
    """Return a new folder for the pictures that `show=true` writes."""
    folder = project() / "runs" / datetime.now().strftime("%Y-%m-%d/%H-%M-%S-predict")
    folder.mkdir(parents=True)
    console.print(f"pictures with their labels: {folder.relative_to(project())}", style="dim")
    return folder


def show(file: Path, found: Answer, target: Path) -> None:
    """Write a picture with its label below it."""
    page = captioned(decode(file.read_bytes()), f"{found.label}  {found.probability:.1%}")
    number = len(list(target.iterdir()))
    page.save(target / f"{number:04d}-{file.stem}.png")


def as_table(answers: list[Answer]) -> None:
    """Print a table."""
    table = Table("picture", "label", "probability", header_style="bold")
    for item in answers:
        if item.error:
            table.add_row(item.path, f"[red]{item.error}", "")
        else:
            table.add_row(item.path, item.label, f"{item.probability:.1%}")
    console.print(table)


def as_json(answers: list[Answer]) -> None:
    """Print JSON."""
    rows = [
        {"path": item.path, "label": item.label, "probability": item.probability}
        | ({"error": item.error} if item.error else {"probabilities": item.probabilities})
        for item in answers
    ]
    print(json.dumps(rows, indent=2))  # noqa: T201


def as_csv(answers: list[Answer]) -> None:
    """Print CSV."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", "label", "probability", "error"))
    writer.writerows((item.path, item.label, item.probability, item.error) for item in answers)


if __name__ == "__main__":
    main()
