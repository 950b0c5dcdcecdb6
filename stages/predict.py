"""`python -m stages.predict model=NAME IMAGE|FOLDER …`: labels pictures with a packaged model, without PyTorch."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from stages.core.console import console, error_console, print_error
from stages.core.contact_sheet import add_caption
from stages.core.errors import UserError, require_known
from stages.core.image import Undecodable, decode
from stages.core.onnx_model import OnnxClassifier
from stages.core.workspace import PACKAGE, PREPARED, Workspace, project_root

USAGE = "%(prog)s model=NAME [from=RUN] [split=unlabelled] [show=true] [--json | --csv] [IMAGE | FOLDER ...]"
OPTIONS = {"model": "", "from": "", "split": "", "show": "false"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
BATCH_SIZE = 32


@dataclass(frozen=True)
class PredictionRow:
    """Label → probability of a picture, the most probable first; or the error for which there is none."""

    path: str
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def best(self) -> tuple[str | None, float | None]:
        """The most probable label and its probability."""
        return next(iter(self.probabilities.items()), (None, None))


def main() -> int:
    """Labels the pictures and prints them; the exit status is 1 if one could not be read."""
    parser = argparse.ArgumentParser(prog="python -m stages.predict", usage=USAGE, description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON: every class's probability")
    parser.add_argument("--csv", action="store_true", help="print CSV: path, label, probability, error")
    parser.add_argument("words", nargs="+", metavar="KEY=VALUE | IMAGE | FOLDER")
    arguments = parser.parse_intermixed_args()
    try:
        options, paths = parse_words(arguments.words)
        if not paths and not options["split"]:
            raise UserError("no picture named; give files, folders, or split=unlabelled")
        workspace = Workspace(Path(options["from"] or project_root()).resolve(), project_root())
        model = open_model(workspace, options["model"])
        rows = list(predict_split(model, workspace, options["split"])) if options["split"] else []
        labeled = list(predict_files(model, list(iter_pictures(paths))))
    except UserError as error:
        return print_error(error)
    if options["show"] == "true":
        save_captioned(labeled)
    print_rows = print_json if arguments.json else print_csv if arguments.csv else print_table
    print_rows([*rows, *labeled])
    return int(any(row.error for row in labeled))


def parse_words(words: list[str]) -> tuple[dict[str, str], list[Path]]:
    """Separates key=value from paths; a path that exists may hold an equals sign."""
    options, paths = dict(OPTIONS), []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or Path(word).exists():
            paths.append(Path(word))
            continue
        if value[:1] in ("'", '"'):
            from stages.config.composition import unquote  # it loads Hydra, which takes as long as all the rest

            value = unquote(value)
        options[require_known("predict", name, OPTIONS)] = value
    require_known("show", options["show"], ("true", "false"))
    if options["from"] and not Path(options["from"]).is_dir():
        raise UserError(f"from: no folder {options['from']}; give a run's folder: runs/<date>/<time>-<stage>")
    return options, paths


def open_model(workspace: Workspace, name: str) -> OnnxClassifier:
    """Opens a packaged model by its name."""
    folders = (base / PACKAGE.format("") for base in (workspace.root, workspace.project))
    known = sorted({file.parent.name for folder in folders for file in folder.glob("[!.]*/model.json")})
    if not name:
        raise UserError(f"model: not chosen; set model=… to one of {', '.join(known) or 'none: run `dvc repro`'}")
    return OnnxClassifier(workspace.input(PACKAGE, require_known("model", name, known) if known else name))


def iter_pictures(paths: list[Path]) -> Iterator[Path]:
    """Yields files as they are named, and every picture below a folder, sorted."""
    for path in paths:
        files = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        yield from sorted(files) if path.is_dir() else [path]


def predict_files(model: OnnxClassifier, files: list[Path]) -> Iterator[PredictionRow]:
    """Labels files; one that cannot be read is reported, and the others are labeled."""
    for start in range(0, len(files), BATCH_SIZE):
        batch = files[start : start + BATCH_SIZE]
        for file, row in zip(batch, model.predict_each(map(_read, batch)), strict=True):
            if isinstance(row, Undecodable):
                yield PredictionRow(str(file), error=str(row))
            else:
                yield PredictionRow(str(file), model.rank_labels(row))


def predict_split(model: OnnxClassifier, workspace: Workspace, split: str) -> Iterator[PredictionRow]:
    """Labels a split of the dataset that the model was trained on."""
    from stages.preprocess.store import Store

    pictures = Store(workspace.input(PREPARED, model.metadata["dataset"])).split(split)
    for start in range(0, len(pictures), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        rows = model.run(np.ascontiguousarray(pictures.images[batch]))
        for path, row in zip(pictures.paths[batch], rows, strict=True):
            yield PredictionRow(path, model.rank_labels(row))


def save_captioned(rows: list[PredictionRow]) -> None:
    """Writes the pictures, each with its label below it, into a new folder in `runs/`."""
    folder = project_root() / "runs" / datetime.now().strftime("%Y-%m-%d/%H-%M-%S-predict")
    folder.mkdir(parents=True)
    error_console.print(f"pictures with their labels: {folder.relative_to(project_root())}", style="dim")
    for number, row in enumerate(row for row in rows if not row.error):
        page = add_caption(decode(Path(row.path).read_bytes()), "{}  {:.1%}".format(*row.best))
        page.save(folder / f"{number:04d}-{Path(row.path).stem}.png")


def print_table(rows: list[PredictionRow]) -> None:
    """Prints each picture's label and its probability."""
    table = Table("picture", "label", "probability", header_style="bold")
    for row in rows:
        label, probability = row.best
        cells = (f"[red]{escape(row.error)}", "") if row.error else (escape(str(label)), f"{probability:.1%}")
        table.add_row(escape(row.path), *cells)
    console.print(table)


def print_json(rows: list[PredictionRow]) -> None:
    """Prints each picture's label and all probabilities, or its error."""
    items = [
        {"path": row.path, "label": row.best[0], "probability": row.best[1]}
        | ({"error": row.error} if row.error else {"probabilities": row.probabilities})
        for row in rows
    ]
    print(json.dumps(items, indent=2))  # noqa: T201


def print_csv(rows: list[PredictionRow]) -> None:
    """Prints each picture's label and its probability, or its error."""
    lines = ((row.path, *row.best, row.error) for row in rows)
    csv.writer(sys.stdout, lineterminator="\n").writerows([("path", "label", "probability", "error"), *lines])


def _read(file: Path) -> bytes | Undecodable:
    try:
        return file.read_bytes()
    except OSError as error:
        return Undecodable(str(error))


if __name__ == "__main__":
    sys.exit(main())
