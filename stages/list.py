"""`python -m stages.list [--json]`: every dataset, model and index: what is made of it, how good, how to use it."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from stages.config.load import read_params
from stages.core.console import console
from stages.core.files import hash_file, read_json
from stages.core.redaction import redact_url
from stages.core.workspace import INDEX, MODEL, PACKAGE, PARAMS, PREPARED, REPORT, project_root

Row = dict[str, Any]


def main() -> None:
    """Prints tables, or JSON, and what to try next."""
    parser = argparse.ArgumentParser(prog="python -m stages.list", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    root = project_root()
    params = read_params(root / PARAMS)
    groups = {"datasets": describe_dataset, "models": describe_model, "indexes": describe_index}
    rows = {
        group: [describe(root, name, config) for name, config in params[group].items()]
        for group, describe in groups.items()
    }
    if arguments.json:
        print(json.dumps(rows, indent=2))  # noqa: T201
    else:
        print_tables(rows)
        print_suggestions(rows)


def describe_dataset(root: Path, name: str, config: dict[str, Any]) -> Row:
    """Collects what is known of a dataset: its config and, once it is prepared, its report."""
    prepared = root / PREPARED.format(name)
    report = _read_optional(prepared / "report.json")
    return {
        "dataset": name,
        "layout": config["fetch"]["layout"]["name"],
        "url": redact_url(config["fetch"]["url"]),
        "size": config["preprocess"]["size"],
        "labels": len(report["labels"]) if report else None,
        "splits": {split: sum(counts.values()) for split, counts in report.get("splits", {}).items()},
        "dropped": len(report["dropped"]) if report else None,
        "prepared": str(prepared.relative_to(root)) if report else None,
    }


def describe_model(root: Path, name: str, config: dict[str, Any]) -> Row:
    """Collects what is known of a model: its config and, as far as they are made, its metrics and its package."""
    trained = _read_optional(root / MODEL.format(name) / "model.json").get("trained", {})
    report = _read_optional(root / REPORT.format(name) / "metrics.json")
    package = root / PACKAGE.format(name)
    file, int8 = package / "model.onnx", _read_optional(package / "model.json").get("int8", {})
    return {
        "model": name,
        "dataset": config["dataset"],
        "framework": config["train"]["framework"],
        "network": config["train"]["network"]["name"],
        "images": trained.get("images"),
        "epochs": trained.get("epochs"),
        "val_accuracy": trained.get("best_val_accuracy"),
        "val_interval": _compute_interval(trained.get("best_val_accuracy"), trained.get("val_images")),
        "test_accuracy": report.get("accuracy"),
        "majority_guess": report.get("majority_guess"),
        "test_interval": [report[edge] for edge in ("accuracy_low", "accuracy_high") if edge in report],
        "train_seconds": _find_train_seconds(root, name),
        "package_bytes": file.stat().st_size if file.exists() else None,
        "int8_bytes": (package / int8["file"]).stat().st_size if int8 else None,
        "int8_test_accuracy": int8.get("accuracy"),
        "package": str(package.relative_to(root)) if file.exists() else None,
        "make": f"dvc repro package@{name}",
        "serve": f"bentoml serve bento.service:{name}" if file.exists() else None,
    }


def describe_index(root: Path, name: str, config: dict[str, Any]) -> Row:
    """Collects what is known of an index: its config and, once it is built, its metrics and its size."""
    folder = root / INDEX.format(name)
    report = _read_optional(root / REPORT.format(name) / "metrics.json")
    is_built = folder.exists()
    return {
        "index": name,
        "dataset": config["dataset"],
        "network": config["features"]["network"],
        "weights": config["features"]["weights"],
        "pictures": report.get("pictures"),
        "quality": {column: report[column] for column in config["partition_by"] if report.get(column)},
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if is_built else None,
        "folder": str(folder.relative_to(root)) if is_built else None,
        "make": f"dvc repro index@{name}",
        "serve": f"bentoml serve bento.service:{name}" if is_built else None,
    }


def print_tables(rows: dict[str, list[Row]]) -> None:
    """Prints a table for each group, and which models are no better than a guess."""
    for group, columns in COLUMNS.items():
        table = Table(header_style="bold")
        for column in columns:
            table.add_column(column, justify="left" if column in _LEFT else "right")
        for row in rows[group]:
            table.add_row(*(format_cell(row) for format_cell in columns.values()))
        console.print(table)
    for row in rows["models"]:
        if row["test_interval"] and row["test_interval"][0] <= row["majority_guess"]:
            console.print(f"{row['model']} is not shown to beat always guessing ({row['majority_guess']:.1%})")


def print_suggestions(rows: dict[str, list[Row]]) -> None:
    """Prints commands to try next, with the first model and the first index that can be served."""
    commands = [("make demo", "train, test and package every model")]
    packaged = [row for row in rows["models"] if row["package"]]
    if packaged:
        name = packaged[0]["model"]
        commands = [
            (f"python -m stages.predict model={name} IMAGE …", "label your own pictures"),
            (packaged[0]["serve"], f"then: curl -X POST http://localhost:3000/predictions/{name} -T IMAGE"),
            ("make serve", "all of them; then http://localhost:3000 has a page for each to drop pictures on"),
            ("make ui", "curves, confusion matrices, model cards, the champion models"),
        ]
        for index in [row for row in rows["indexes"] if row["folder"]][:1]:
            commands.insert(2, (index["serve"], f"then: http://localhost:3000/similar/{index['index']}"))
    console.print("\nTry next:", style="bold")
    for command, meaning in commands:
        console.print(f"  {command:<48} {meaning}", markup=False)


def _read_optional(file: Path) -> dict[str, Any]:
    return dict(read_json(file)) if file.exists() else {}


def _compute_interval(share: float | None, count: int | None) -> list[float]:
    """Computes the 95 % interval of a share of `count` images."""
    from stages.evaluate.metrics import wilson

    return list(wilson(round(share * count), count)) if share is not None and count else []


def _find_train_seconds(root: Path, name: str) -> float | None:
    """Finds in MLflow how long a model was trained; outputs hold no durations."""
    from stages.core.tracking import find_run

    weights = root / MODEL.format(name) / "weights.safetensors"
    run = find_run(name, hash_file(weights)) if weights.exists() else None
    return run.data.metrics.get("train_seconds") if run else None


def _format(value: Any, form: str) -> str:
    return "–" if value is None else form.format(value)


def _format_accuracy(accuracy: float | None, interval: list[float]) -> str:
    return _format(accuracy, "{:.1%}") + (f" ({interval[0]:.1%}–{interval[1]:.1%})" if interval else "")


def _format_size(size: int | None) -> str:
    return "–" if size is None else f"{size / 2**20:.1f} MB"


def _format_package(size: int | None, int8_size: int | None) -> str:
    return _format_size(size) + (f", int8 {_format_size(int8_size)}" if int8_size else "")


def _format_quality(quality: dict[str, dict[str, float]]) -> str:
    shares = (f"{column} {next(iter(item.values())):.1%} ({item['chance']:.1%})" for column, item in quality.items())
    return ", ".join(shares) or "–"


COLUMNS: dict[str, dict[str, Callable[[Row], str]]] = {  # group → column → what its cells show
    "datasets": {
        "dataset": lambda row: str(row["dataset"]),
        "from": lambda row: row["url"] if len(row["url"]) <= 40 else f"…{row['url'][-39:]}",
        "size": lambda row: f"{row['size']} px",
        "pictures": lambda row: _format(sum(row["splits"].values()) or None, "{:,}"),
        "train": lambda row: _format(row["splits"].get("train") or None, "{:,}"),
        "val": lambda row: _format(row["splits"].get("val") or None, "{:,}"),
        "test": lambda row: _format(row["splits"].get("test") or None, "{:,}"),
        "dropped": lambda row: _format(row["dropped"], "{:,}"),
    },
    "models": {
        "model": lambda row: str(row["model"]),
        "dataset": lambda row: str(row["dataset"]),
        "framework": lambda row: str(row["framework"]),
        "epochs": lambda row: _format(row["epochs"], "{}"),
        "val accuracy (95 %)": lambda row: _format_accuracy(row["val_accuracy"], row["val_interval"]),
        "test accuracy (95 %)": lambda row: _format_accuracy(row["test_accuracy"], row["test_interval"]),
        "trained in": lambda row: _format(row["train_seconds"], "{:.0f} s"),
        "package": lambda row: _format_package(row["package_bytes"], row["int8_bytes"]),
    },
    "indexes": {
        "index": lambda row: str(row["index"]),
        "dataset": lambda row: str(row["dataset"]),
        "featuriser": lambda row: f"{row['network']}, {row['weights']}",
        "pictures": lambda row: _format(row["pictures"], "{:,}"),
        "precision@k (chance)": lambda row: _format_quality(row["quality"]),
        "size": lambda row: _format_size(row["bytes"]),
    },
}
_LEFT = {"dataset", "from", "model", "framework", "index", "featuriser", "precision@k (chance)"}


if __name__ == "__main__":
    main()
