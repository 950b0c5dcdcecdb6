"""What a model's user needs, without this project: results, epochs, weights, `prep_model.py`, the ONNX package."""

import ast
import csv
import shutil
from pathlib import Path
from typing import Any

from stages.core.files import read_json, write_json
from stages.core.onnx_model import FILES, list_precisions
from stages.core.registry import NETWORKS, find_module, find_source, split_options
from stages.train.history import HISTORY
from stages.train.model import WEIGHTS, Description

PACKAGED = ("model.json", "parity.json")
SCRIPT = "prep_model.py"
RESULTS = "results.csv"
EPOCHS = "training_result.csv"
METADATA = "metadata.json"
COLUMNS = {  # the published names: what chose the epoch was called test there
    "epoch": "epoch",
    "train_loss": "train_loss",
    "test_loss": "val_loss",
    "train_accuracy": "train_accuracy",
    "test_accuracy": "val_accuracy",
}
NOTE = f"test_loss and test_accuracy are of the validation split, which chose the epoch; {RESULTS} has the test split's"
TORCH = "model_state_dict.pth"
KERAS = "model.keras"

PREP_TORCH = '''"""Rebuilds a network and loads its weights. Needs torch and torchvision, nothing else.

Input: float32, N x 3 x SIZE x SIZE, (pixel / 255 - MEAN) / STD. Output: logits, one for each of LABELS.
"""
{future}
import torch
{network}
LABELS = {labels!r}
SIZE, MEAN, STD = {size}, {mean}, {std}


def prep_model(model_state_dict, device, num_classes={classes}):
    """Return the network in eval mode; `model_state_dict` is the path of the .pth file, or what it holds."""
    if not isinstance(model_state_dict, dict):
        model_state_dict = torch.load(model_state_dict, map_location=device, weights_only=True)
    model = build(num_classes, SIZE, **{options})
    model.load_state_dict(model_state_dict)
    return model.to(device).eval()
'''

PREP_KERAS = '''"""Loads a model. Needs Keras and the backend of your choice.

Input: pixels 0-255, N x SIZE x SIZE x 3. Output: probabilities of LABELS; of two classes the second's alone.
"""

import keras

LABELS = {labels!r}
SIZE = {size}


def prep_model(model_file):
    """Return the model; `model_file` is the path of the .keras file."""
    return keras.saving.load_model(model_file)
'''


def write_results(folder: Path, model: Description, trained: Path, report: Path, package: Path, labels: Any) -> None:
    """Write everything into the folder."""
    keras = model.framework == "keras"
    if keras:
        shutil.copyfile(package / KERAS, folder / KERAS)
    else:
        write_state(trained / WEIGHTS, folder / TORCH)
    (folder / SCRIPT).write_text(script(model), encoding="utf-8")
    write_rows(folder / RESULTS, [row(model, read_json(report / "metrics.json"), labels, KERAS if keras else TORCH)])
    epochs = read_epochs(trained / HISTORY)
    write_rows(folder / EPOCHS, epochs)
    write_json(folder / METADATA, metadata(model, epochs))
    for name in (*PACKAGED, *(FILES[precision] for precision in list_precisions(package))):
        shutil.copyfile(package / name, folder / name)


def read_epochs(history: Path) -> list[dict[str, float]]:
    """Return the epochs of a training under their published names."""
    with history.open(newline="", encoding="utf-8") as file:
        rows = [{ours: float(row[name]) for ours, name in COLUMNS.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"])} for row in rows]


def metadata(model: Description, epochs: list[dict[str, float]]) -> dict[str, Any]:
    """Return what metadata.json says: the arguments, the kept epoch and its accuracies."""
    kept = epochs[int(model.trained["best_epoch"]) - 1]
    accuracies = {f"best_epoch_{name}": kept[name] for name in ("train_accuracy", "test_accuracy")}
    return {"arguments": model.config, "best_epoch": kept["epoch"], **accuracies, "note": NOTE}


def write_state(weights: Path, target: Path) -> None:
    """Write the weights as PyTorch's users expect them: a plain state dict."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(weights), target)


def script(model: Description) -> str:
    """Return the source of prep_model.py."""
    _, options = split_options(model.network)
    values: dict[str, Any] = {"labels": model.labels, "classes": len(model.labels), "size": model.size}
    if model.framework == "keras":
        return PREP_KERAS.format(**values)
    module = find_module(NETWORKS[model.framework], str(model.network["name"]), model.plugins, "network")
    future, network = body(find_source(module))
    return PREP_TORCH.format(future=future, network=network, options=options, **values, **model.config["normalize"])


def body(file: Path) -> tuple[str, str]:
    """Return a module's imports from the future, and its source without them and its docstring."""
    text = file.read_text(encoding="utf-8")
    first = ast.parse(text).body[0]
    described = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = text.splitlines()[first.end_lineno if described else 0 :]
    future = [line for line in lines if line.startswith("from __future__")]
    rest = "\n".join(line for line in lines if line not in future).strip("\n")
    return "".join(f"\n{line}\n" for line in future), f"{rest}\n"


def row(model: Description, metrics: dict[str, Any], labels: dict[str, Any], file: str) -> dict[str, Any]:
    """Return the one row of results.csv: metrics, values, labels, and the file they belong to."""
    kept = {name.removeprefix("best_"): value for name, value in model.trained.items() if name.startswith("best_")}
    values = {"kept_epoch": kept.pop("epoch"), **{name: model.config[name] for name in ("batch_size", "epochs", "lr")}}
    tested = {f"test_{name}": value for name, value in metrics.items() if isinstance(value, int | float)}
    _, options = split_options(model.network)
    return {**kept, **tested, **values, **options, **labels, "model_file": file}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a CSV with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
