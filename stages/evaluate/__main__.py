"""`python -m stages.evaluate model=NAME`: test a trained model, explain its mistakes, write its model card."""

from pathlib import Path
from typing import Any

from stages.console import console
from stages.door import door
from stages.files import sha256_file, write_json, write_text
from stages.job import Job
from stages.place import MODEL, PREPARED, REPORT
from stages.preprocess.store import Store
from stages.tracking import Run, continued

NOTE = 8000  # characters; MLflow cuts a longer one, with a warning


@door("evaluate", picks="model")
def main(job: Job) -> None:
    """Predict the test split and write everything that follows from the predictions."""
    from stages.evaluate.card import Findings, card
    from stages.evaluate.metrics import confusions, per_class, summary
    from stages.evaluate.plots import CLASSES, CONFUSIONS, PICTURES, write_plots, write_rows
    from stages.evaluate.predictions import predict, write_mistakes, write_predictions

    config = job.model.evaluate
    model = job.place.read(MODEL, job.name)
    store = Store(job.place.read(PREPARED, job.model.dataset))
    test = store.split("test")
    found, description = predict(model, test, config.batch_size)
    metrics = summary(found, config.bins)
    result = Findings(metrics, per_class(found), confusions(found))
    weights = sha256_file(model / "weights.safetensors")
    with job.place.write(REPORT, job.name) as folder:
        write_json(folder / "metrics.json", metrics)
        write_json(folder / "tested.json", {"weights": weights, "data": store.fingerprint})
        write_rows(folder / "classes.csv", result.classes, CLASSES)
        write_rows(folder / "confusions.csv", result.confusions, CONFUSIONS)
        write_plots(folder, found, config.bins)
        write_predictions(folder / "predictions.parquet", found, test)
        write_mistakes(folder / PICTURES / "mistakes.png", found, test, config.mistakes)
        write_text(folder / "card.md", card(description, result, store.report))
    with continued(job, weights) as run:
        record(run, metrics, job.place.root / REPORT.format(job.name))
    interval = f"{metrics['accuracy_low']:.1%}–{metrics['accuracy_high']:.1%}"
    five = f", top-5 {metrics['top5_accuracy']:.1%}" if "top5_accuracy" in metrics else ""
    console.print(f"evaluated {job.name}: test accuracy {metrics['accuracy']:.1%} ({interval}){five}")


def record(run: Run, metrics: dict[str, Any], folder: Path) -> None:
    """Add the test's numbers and pictures to the run that trained the model."""
    numbers = {f"test_{name}": value for name, value in metrics.items() if isinstance(value, float)}
    run.metrics(numbers)
    run.tag("mlflow.note.content", note((folder / "card.md").read_text(encoding="utf-8")))
    tables = (folder / name for name in ("card.md", "metrics.json", "classes.csv", "confusions.csv"))
    for file in (*tables, *sorted((folder / "pictures").iterdir())):
        run.artifact(file, "test")


def note(card: str) -> str:
    """Return as much of a card as MLflow shows with a run, whole lines."""
    return card if len(card) <= NOTE else card[:NOTE].rpartition("\n")[0]


if __name__ == "__main__":
    main()
