"""`python -m stages.evaluate model=NAME`: test a trained model, explain its mistakes, write its model card."""

from pathlib import Path
from typing import Any

from stages.config.command import stage_command
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.files import hash_file, write_json, write_text
from stages.core.tracking import TrackedRun, continue_run
from stages.core.workspace import MODEL, PREPARED, REPORT
from stages.preprocess.store import Store

NOTE = 8000  # characters; MLflow cuts a longer one, with a warning


@stage_command("evaluate", select="model")
def main(job: StageContext) -> None:
    """Tests a trained model on the test split: metrics, plots, mistakes and a model card in artifacts/reports/NAME."""
    from stages.evaluate.card import Findings, card
    from stages.evaluate.metrics import confusions, per_class, summary
    from stages.evaluate.plots import CLASSES, CONFUSIONS, PICTURES, write_plots, write_rows
    from stages.evaluate.predictions import predict, write_mistakes, write_predictions

    config = job.model.evaluate
    model = job.workspace.input(MODEL, job.name)
    store = Store(job.workspace.input(PREPARED, job.model.dataset))
    test = store.split("test")
    found, description = predict(model, test, config.batch_size)
    metrics = summary(found, config.bins)
    result = Findings(metrics, per_class(found), confusions(found))
    weights = hash_file(model / "weights.safetensors")
    with job.workspace.output(REPORT, job.name) as folder:
        write_json(folder / "metrics.json", metrics)
        write_json(folder / "tested.json", {"weights": weights, "data": store.fingerprint})
        write_rows(folder / "classes.csv", result.classes, CLASSES)
        write_rows(folder / "confusions.csv", result.confusions, CONFUSIONS)
        write_plots(folder, found, config.bins)
        write_predictions(folder / "predictions.parquet", found, test)
        write_mistakes(folder / PICTURES / "mistakes.png", found, test, config.mistakes)
        write_text(folder / "card.md", card(description, result, store.report))
    with continue_run(job, weights) as run:
        run.log_dataset(f"{job.model.dataset}/test", store.fingerprint, store.report["source"], "testing")
        record(run, metrics, job.workspace.root / REPORT.format(job.name))
    interval = f"{metrics['accuracy_low']:.1%}–{metrics['accuracy_high']:.1%}"
    five = f", top-5 {metrics['top5_accuracy']:.1%}" if "top5_accuracy" in metrics else ""
    console.print(f"evaluated {job.name}: test accuracy {metrics['accuracy']:.1%} ({interval}){five}")


def record(run: TrackedRun, metrics: dict[str, Any], folder: Path) -> None:
    """Add the test's numbers and pictures to the run that trained the model."""
    numbers = {f"test_{name}": value for name, value in metrics.items() if isinstance(value, float)}
    run.log_metrics(numbers)
    run.set_tag("mlflow.note.content", note((folder / "card.md").read_text(encoding="utf-8")))
    tables = (folder / name for name in ("card.md", "metrics.json", "classes.csv", "confusions.csv"))
    for file in (*tables, *sorted((folder / "pictures").iterdir())):
        run.log_artifact(file, "test")


def note(card: str) -> str:
    """Return as much of a card as MLflow shows with a run, whole lines."""
    return card if len(card) <= NOTE else card[:NOTE].rpartition("\n")[0]


if __name__ == "__main__":
    main()
