"""The model card: what a model is, what it saw, how good it is, and where that stops."""

from dataclasses import dataclass
from typing import Any

from stages.core.tracking import flatten
from stages.train.model import Description

MANY = 12  # classes; more are counted, not named
CONFUSIONS = 10
FURTHER = {"top5_accuracy": "its class is among the five most probable"}

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Findings:
    """What a test found: metrics, a row for each class, a row for each pair of classes that was mistaken."""

    metrics: dict[str, Any]
    classes: Rows
    confusions: Rows


def card(model: Description, test: Findings, dataset: dict[str, Any]) -> str:
    """Return the card in Markdown (after Mitchell et al. 2019)."""
    sections = (
        f"# {model.name}",
        overview(model),
        "## How good it is",
        quality(model, test),
        "## What it saw",
        data(model, dataset),
        "## How it was trained",
        training(model.config, model.trained.get("search")),
        "## Limits",
        limits(model, test.metrics, dataset),
    )
    return "\n\n".join(sections) + "\n"


def overview(model: Description) -> str:
    """Say what goes in and what comes out."""
    return (
        f"Tells {named(model.labels)} apart in pictures. "
        f"Network `{model.network['name']}` with {model.trained['parameters']:,} trained parameters; "
        f"input {model.size} × {model.size} RGB ({model.resize}), output a probability for each class."
    )


def named(labels: list[str]) -> str:
    """Return labels in words; only how many where there are many."""
    if len(labels) > MANY:
        return f"{len(labels)} classes, from {labels[0]} to {labels[-1]},"
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def quality(model: Description, test: Findings) -> str:
    """Show the test metrics, overall and for each class, and what is mistaken for what."""
    metrics = test.metrics
    interval = f"{metrics['accuracy_low']:.1%} – {metrics['accuracy_high']:.1%}"
    auc = "–" if metrics["roc_auc"] is None else f"{metrics['roc_auc']:.4f}"
    rows = [
        ("test accuracy", f"**{metrics['accuracy']:.1%}** (95 % interval {interval}, {metrics['images']} images)"),
        *((words, f"{metrics[name]:.1%}") for name, words in FURTHER.items() if name in metrics),
        ("always guessing the commonest class", f"{metrics['majority_guess']:.1%}"),
        ("validation accuracy of the kept epoch", f"{model.trained['best_val_accuracy']:.1%}"),
        ("test loss (cross-entropy)", f"{metrics['loss']:.4f}"),
        ("ROC-AUC", auc),
        ("expected calibration error", f"{metrics['ece']:.3f}"),
    ]
    pictures = "Pictures: confusion matrix, ROC, calibration and the worst mistakes lie beside this card."
    return "\n\n".join((table(("measure", "value"), rows), by_class(test.classes), mistaken(test.confusions), pictures))


def by_class(rows: Rows) -> str:
    """Show each class."""
    cells = [
        (row["label"], *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")), row["images"]) for row in rows
    ]
    return table(("class", "precision", "recall", "F1", "images"), cells)


def mistaken(rows: Rows) -> str:
    """Show the commonest confusions."""
    if not rows:
        return "No test image was mistaken."
    cells = [(row["actual"], row["predicted"], row["images"], f"{row['share']:.0%}") for row in rows[:CONFUSIONS]]
    return "Most often mistaken:\n\n" + table(("actual", "predicted", "images", "of the actual class"), cells)


def data(model: Description, dataset: dict[str, Any]) -> str:
    """Say which pictures, how many in each split, and what was left out."""
    splits = [(split, sum(counts.values()), pairs(counts)) for split, counts in dataset["splits"].items() if counts]
    return "\n\n".join(
        (
            f"Dataset `{model.dataset}` from `{dataset['source']}`, content `{model.data}`. "
            "Splits are the published ones where there are any, else drawn within each class; "
            "identical files never lie in two of them.",
            table(("split", "images", "by class"), splits),
            f"{len(dataset['dropped'])} files could not be used and were left out; "
            f"{dataset['duplicates']} are duplicates of another; "
            f"{dataset['contradictory_labels']} pictures carry more than one label. "
            + " ".join(f"{len(paths)} have a remark: {remark}." for remark, paths in dataset["remarks"].items()),
        )
    )


def training(config: dict[str, Any], search: dict[str, Any] | None) -> str:
    """List the values it was trained with, and the candidates that it was chosen from."""
    values = table(("key", "value"), [(f"`{name}`", f"`{value}`") for name, value in flatten(config, "").items()])
    return f"{searched(search)}\n\n{values}" if search else values


def searched(search: dict[str, Any]) -> str:
    """Say which candidates there were; the test above was of the best one alone."""
    keys = list(search["winner"])
    rows = [
        (
            *(item["values"][key] for key in keys),
            f"{item['best']['val_accuracy']:.1%}",
            f"{item['best']['val_loss']:.4f}",
        )
        for item in search["candidates"]
    ]
    chosen = ", ".join(f"`{key}` {value}" for key, value in search["winner"].items())
    head = (
        f"The best of {len(rows)} candidates by `{search['monitor']}`: {chosen}. Being chosen flatters those numbers."
    )
    return f"{head}\n\n{table((*keys, 'val accuracy', 'val loss'), rows)}"


def limits(model: Description, metrics: dict[str, Any], dataset: dict[str, Any]) -> str:
    """Say what the numbers do not promise."""
    lines = [
        "It answers with one of its classes whatever the picture shows; it cannot say that it shows none of them.",
        f"Details smaller than a {model.size}-pixel picture can show are lost to it.",
        f"The interval above is that of {metrics['images']} test images drawn like the training images; "
        "other cameras, animals or scenes may do worse.",
    ]
    if dataset["source"] == "synthetic":
        lines.insert(0, "**It was trained on drawings: it shows that the pipeline works, and knows no photograph.**")
    if dataset.get("caveat"):
        lines.append(dataset["caveat"])
    if dataset["contradictory_labels"]:
        lines.append("Some training pictures are labelled in contradiction.")
    return "\n".join(f"- {line}" for line in lines)


def pairs(counts: dict[str, int]) -> str:
    """Return counts as "cat 10, dog 12"; only how many classes where there are many."""
    if len(counts) > MANY:
        return f"{len(counts)} classes, {min(counts.values())} to {max(counts.values())} images each"
    return ", ".join(f"{label} {count}" for label, count in counts.items())


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
