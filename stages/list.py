"""`python -m stages.list [--json]`: every dataset, model and index: what is made of it, how good, how to use it."""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from stages.config import project
from stages.console import console
from stages.fetch.download import public
from stages.files import read_json
from stages.place import INDEX, MODEL, PACKAGE, PREPARED, REPORT

DATASETS = {
    "dataset": "left",
    "from": "left",
    "size": "right",
    "pictures": "right",
    "train": "right",
    "val": "right",
    "test": "right",
    "dropped": "right",
}
MODELS = {
    "model": "left",
    "dataset": "left",
    "framework": "left",
    "epochs": "right",
    "val accuracy (95 %)": "right",
    "test accuracy (95 %)": "right",
    "trained in": "right",
    "package": "right",
}
INDEXES = {
    "index": "left",
    "dataset": "left",
    "featuriser": "left",
    "pictures": "right",
    "precision@k (chance)": "left",
    "size": "right",
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m stages.list", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    root = project()
    config = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    found = {
        "datasets": [dataset(root, name, item) for name, item in config["datasets"].items()],
        "models": [model(root, name, item) for name, item in config["models"].items()],
        "indexes": [index(root, name, item) for name, item in config["indexes"].items()],
    }
    if arguments.json:
        print(json.dumps(found, indent=2))  # noqa: T201
    else:
        show(found)


def dataset(root: Path, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return what the config and the prepared set of a dataset say."""
    prepared = root / PREPARED.format(name)
    report = optional(prepared / "report.json")
    splits = {split: sum(counts.values()) for split, counts in report.get("splits", {}).items()}
    return {
        "dataset": name,
        "layout": config["fetch"]["layout"]["name"],
        "url": public(config["fetch"]["url"]),
        "size": config["preprocess"]["size"],
        "labels": len(report["labels"]) if report else None,
        "splits": splits,
        "dropped": len(report["dropped"]) if report else None,
        "prepared": str(prepared.relative_to(root)) if report else None,
    }


def model(root: Path, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return what the config and the artifacts of a model say."""
    trained = optional(root / MODEL.format(name) / "model.json").get("trained", {})
    report = optional(root / REPORT.format(name) / "metrics.json")
    package = root / PACKAGE.format(name)
    file, int8 = package / "model.onnx", optional(package / "model.json").get("int8", {})
    return {
        "model": name,
        "dataset": config["dataset"],
        "framework": config["train"]["framework"],
        "network": config["train"]["network"]["name"],
        "images": trained.get("images"),
        "epochs": trained.get("epochs"),
        "val_accuracy": trained.get("best_val_accuracy"),
        "val_interval": interval(trained.get("best_val_accuracy"), trained.get("val_images")),
        "test_accuracy": report.get("accuracy"),
        "majority_guess": report.get("majority_guess"),
        "test_interval": [report[edge] for edge in ("accuracy_low", "accuracy_high") if edge in report],
        "train_seconds": train_seconds(root, name),
        "package_bytes": file.stat().st_size if file.exists() else None,
        "int8_bytes": (package / int8["file"]).stat().st_size if int8 else None,
        "int8_test_accuracy": int8.get("accuracy"),
        "package": str(package.relative_to(root)) if file.exists() else None,
        "make": f"dvc repro package@{name}",
        "serve": f"bentoml serve bento.service:{name}" if file.exists() else None,
    }


def index(root: Path, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return what the config and the artifacts of an index say."""
    folder = root / INDEX.format(name)
    report = optional(root / REPORT.format(name) / "metrics.json")
    there = folder.exists()
    return {
        "index": name,
        "dataset": config["dataset"],
        "network": config["features"]["network"],
        "weights": config["features"]["weights"],
        "pictures": report.get("pictures"),
        "quality": {column: report[column] for column in config["blocks"] if report.get(column)},
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if there else None,
        "folder": str(folder.relative_to(root)) if there else None,
        "make": f"dvc repro index@{name}",
        "serve": f"bentoml serve bento.service:{name}" if there else None,
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


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print the tables, and what to try next."""
    tables = (
        (found["datasets"], DATASETS, of_dataset),
        (found["models"], MODELS, of_model),
        (found["indexes"], INDEXES, of_index),
    )
    for rows, columns, cells in tables:
        table = Table(header_style="bold")
        for column, side in columns.items():
            table.add_column(column, justify=side)  # type: ignore[arg-type]
        for item in rows:
            table.add_row(*cells(item))
        console.print(table)
    for item in found["models"]:
        if item["test_interval"] and item["test_interval"][0] <= item["majority_guess"]:
            console.print(f"{item['model']} is not shown to beat always guessing ({item['majority_guess']:.1%})")
    packaged = [item for item in found["models"] if item["package"]]
    searchable = [item for item in found["indexes"] if item["folder"]]
    suggest(packaged[0] if packaged else None, searchable[0] if searchable else None)


def suggest(item: dict[str, Any] | None, search: dict[str, Any] | None) -> None:
    """Say what to try next."""
    commands = [("make demo", "train, test and package every model")]
    if item is not None:
        name = item["model"]
        commands = [
            (f"python -m stages.predict model={name} IMAGE …", "label your own pictures"),
            (item["serve"], f"then: curl -X POST http://localhost:3000/predictions/{name} -T IMAGE"),
            *([(search["serve"], f"then: http://localhost:3000/similar/{search['index']}")] if search else []),
            ("make serve", "all of them; then http://localhost:3000 has a page for each to drop pictures on"),
            ("make ui", "curves, confusion matrices, model cards, the champion models"),
        ]
    console.print("\nTry next:", style="bold")
    for command, meaning in commands:
        console.print(f"  {command:<48} {meaning}", markup=False)


def of_dataset(item: dict[str, Any]) -> list[str]:
    """Return a dataset's row; what is not there yet is a dash."""
    splits = [text(item["splits"].get(split) or None, "{:,}") for split in ("train", "val", "test")]
    pictures = text(sum(item["splits"].values()) or None, "{:,}")
    url = item["url"] if len(item["url"]) <= 40 else f"…{item['url'][-39:]}"
    return [item["dataset"], url, f"{item['size']} px", pictures, *splits, text(item["dropped"], "{:,}")]


def of_model(item: dict[str, Any]) -> list[str]:
    """Return a model's row; what is not there yet is a dash."""
    return [
        item["model"],
        item["dataset"],
        item["framework"],
        text(item["epochs"], "{}"),
        text(item["val_accuracy"], "{:.1%}") + between(item["val_interval"]),
        text(item["test_accuracy"], "{:.1%}") + between(item["test_interval"]),
        text(item["train_seconds"], "{:.0f} s"),
        text(item["package_bytes"] and item["package_bytes"] / 2**20, "{:.1f} MB") + beside(item),
    ]


def beside(item: dict[str, Any]) -> str:
    """Return what is packaged of a model beside fp32."""
    return f", int8 {item['int8_bytes'] / 2**20:.1f} MB" if item["int8_bytes"] else ""


def of_index(item: dict[str, Any]) -> list[str]:
    """Return an index's row; what is not there yet is a dash."""
    shares = (
        f"{column} {next(iter(numbers.values())):.1%} ({numbers['chance']:.1%})"
        for column, numbers in item["quality"].items()
    )
    return [
        item["index"],
        item["dataset"],
        f"{item['network']}, {item['weights']}",
        text(item["pictures"], "{:,}"),
        ", ".join(shares) or "–",
        text(item["bytes"] and item["bytes"] / 2**20, "{:.1f} MB"),
    ]


def between(edges: list[float]) -> str:
    """Return an interval in brackets, nothing for none."""
    return f" ({edges[0]:.1%}–{edges[1]:.1%})" if edges else ""


def text(value: Any, form: str) -> str:
    """Return a value in a form, a dash for none."""
    return "–" if value is None else form.format(value)


if __name__ == "__main__":
    main()
