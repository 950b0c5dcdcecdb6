"""`python -m stages.list [--json]`: every trained model, how good it is and where it lies."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.table import Table

from stages.config import project
from stages.console import console
from stages.files import read_json
from stages.place import MODEL, PACKAGE, REPORT

COLUMNS = {
    "model": "left",
    "images": "right",
    "epochs": "right",
    "val accuracy (95 %)": "right",
    "test accuracy (95 %)": "right",
    "trained in": "right",
    "package": "right",
    "lies in": "left",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m stages.list", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    root = project()
    found = [row(root, folder.name) for folder in sorted((root / MODEL.format("")).glob("[!.]*/"))]
    if arguments.json:
        print(json.dumps(found, indent=2))  # noqa: T201
    elif not found:
        console.print("nothing is trained yet; `make demo` or `dvc repro` does it")
    else:
        show(found)


def row(root: Path, name: str) -> dict[str, Any]:
    """Return what the artifacts of a model say."""
    trained = optional(root / MODEL.format(name) / "model.json").get("trained", {})
    report = optional(root / REPORT.format(name) / "metrics.json")
    package = root / PACKAGE.format(name)
    return {
        "model": name,
        "images": trained.get("images"),
        "epochs": trained.get("epochs"),
        "val_accuracy": trained.get("best_val_accuracy"),
        "val_interval": interval(trained.get("best_val_accuracy"), trained.get("val_images")),
        "test_accuracy": report.get("accuracy"),
        "majority_guess": report.get("majority_guess"),
        "test_interval": [report[edge] for edge in ("accuracy_low", "accuracy_high") if edge in report],
        "train_seconds": train_seconds(root, name),
        "package_bytes": (package / "model.onnx").stat().st_size if (package / "model.onnx").exists() else None,
        "package": str(package.relative_to(root)) if package.exists() else None,
    }


def interval(share: float | None, count: int | None) -> list[float]:
    """Return the 95 % interval of a share of `count`, nothing for none."""
    from stages.evaluate.metrics import wilson

    return list(wilson(round(share * count), count)) if share is not None and count else []


def optional(file: Path) -> dict[str, Any]:
    """Read a JSON file that may not be there yet."""
    return dict(read_json(file)) if file.exists() else {}


def train_seconds(root: Path, name: str) -> float | None:
    """Return how long the training of these weights took, as its run in MLflow says; outputs hold no durations."""
    from stages.files import sha256_file
    from stages.tracking import find

    weights = root / MODEL.format(name) / "weights.safetensors"
    run = find(name, sha256_file(weights)) if weights.exists() else None
    return run.data.metrics.get("train_seconds") if run else None


def show(found: list[dict[str, Any]]) -> None:
    """Print the table, and what to try next."""
    table = Table(header_style="bold")
    for column, side in COLUMNS.items():
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for item in found:
        table.add_row(*cells(item))
    console.print(table)
    for item in found:
        if item["test_interval"] and item["test_interval"][0] <= item["majority_guess"]:
            console.print(f"{item['model']} is not shown to beat always guessing ({item['majority_guess']:.1%})")
    name = found[0]["model"]
    console.print("\nTry next:", style="bold")
    for command, meaning in (
        (f"python -m stages.predict model={name} IMAGE …", "label your own pictures"),
        ("make serve", f"then: curl -X POST http://localhost:3000/predictions/{name} -T IMAGE"),
        ("make ui", "curves, confusion matrices, model cards, the champion models"),
    ):
        console.print(f"  {command:<48} {meaning}", markup=False)


def cells(item: dict[str, Any]) -> list[str]:
    """Return a row of the table; what is not there yet is a dash."""
    return [
        item["model"],
        text(item["images"], "{:,}"),
        text(item["epochs"], "{}"),
        text(item["val_accuracy"], "{:.1%}") + between(item["val_interval"]),
        text(item["test_accuracy"], "{:.1%}") + between(item["test_interval"]),
        text(item["train_seconds"], "{:.0f} s"),
        text(item["package_bytes"] and item["package_bytes"] / 2**20, "{:.1f} MB"),
        text(item["package"], "{}"),
    ]


def between(edges: list[float]) -> str:
    """Return an interval in brackets, nothing for none."""
    return f" ({edges[0]:.1%}–{edges[1]:.1%})" if edges else ""


def text(value: Any, form: str) -> str:
    """Return a value in a form, a dash for none."""
    return "–" if value is None else form.format(value)


if __name__ == "__main__":
    main()
