"""The model card: what a model is, what it saw, how good it is, and where that stops."""

from typing import Any

from stages.tracking import flat
from stages.train.model import Description


def card(model: Description, metrics: dict[str, Any], dataset: dict[str, Any]) -> str:
    """Return the card in Markdown (after Mitchell et al. 2019)."""
    sections = (
        f"# {model.name}",
        overview(model),
        "## How good it is",
        quality(model, metrics),
        "## What it saw",
        data(model, dataset),
        "## How it was trained",
        training(model.config, model.trained.get("search")),
        "## Limits",
        limits(model, metrics, dataset),
    )
    return "\n\n".join(sections) + "\n"


def overview(model: Description) -> str:
    """Say what goes in and what comes out."""
    return (
        f"Tells {', '.join(model.labels[:-1])} and {model.labels[-1]} apart in pictures. "
        f"Network `{model.network['name']}` with {model.trained['parameters']:,} trained parameters; "
        f"input {model.size} × {model.size} RGB ({model.resize}), output a probability for each class."
    )


def quality(model: Description, metrics: dict[str, Any]) -> str:
    """Show the test metrics, overall and for each class."""
    interval = f"{metrics['accuracy_low']:.1%} – {metrics['accuracy_high']:.1%}"
    auc = "–" if metrics["roc_auc"] is None else f"{metrics['roc_auc']:.4f}"
    rows = [
        ("test accuracy", f"**{metrics['accuracy']:.1%}** (95 % interval {interval}, {metrics['images']} images)"),
        ("always guessing the commonest class", f"{metrics['majority_guess']:.1%}"),
        ("validation accuracy of the kept epoch", f"{model.trained['best_val_accuracy']:.1%}"),
        ("test loss (cross-entropy)", f"{metrics['loss']:.4f}"),
        ("ROC-AUC", auc),
        ("expected calibration error", f"{metrics['ece']:.3f}"),
    ]
    classes = [
        (label, *(f"{values[name]:.3f}" for name in ("precision", "recall", "f1")), f"{values['images']:.0f}")
        for label, values in metrics["classes"].items()
    ]
    return "\n\n".join(
        (
            table(("measure", "value"), rows),
            table(("class", "precision", "recall", "F1", "images"), classes),
            "Pictures: confusion matrix, ROC, calibration and the worst mistakes lie beside this card.",
        )
    )


def data(model: Description, dataset: dict[str, Any]) -> str:
    """Say which pictures, how many in each split, and what was left out."""
    splits = [(split, sum(counts.values()), pairs(counts)) for split, counts in dataset["splits"].items() if counts]
    return "\n\n".join(
        (
            f"Dataset `{model.dataset}` from `{dataset['source']}`, content `{model.data}`. "
            "Splits are stratified and by content: identical files never lie in two of them.",
            table(("split", "images", "by class"), splits),
            f"{len(dataset['dropped'])} files could not be used and were left out; "
            f"{dataset['duplicates']} are duplicates of another; "
            f"{dataset['contradictory_labels']} pictures carry more than one label. "
            + " ".join(f"{len(paths)} have a remark: {remark}." for remark, paths in dataset["remarks"].items()),
        )
    )


def training(config: dict[str, Any], search: dict[str, Any] | None) -> str:
    """List the values it was trained with, and the candidates that it was chosen from."""
    values = table(("key", "value"), [(f"`{name}`", f"`{value}`") for name, value in flat(config, "").items()])
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
    head = f"The best of {len(rows)} candidates by `{search['select']}`: {chosen}. Being chosen flatters those numbers."
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
    if len(counts) > 12:
        return f"{len(counts)} classes, {min(counts.values())} to {max(counts.values())} images each"
    return ", ".join(f"{label} {count}" for label, count in counts.items())


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
