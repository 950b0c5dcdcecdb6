"""`python -m stages.evaluate model=NAME`: test a trained model, explain its mistakes, write its model card."""

from pathlib import Path
from typing import Any

from stages.console import console
from stages.door import Job, door
from stages.files import sha256_file, write_json, write_text
from stages.place import MODEL, PREPARED, REPORT
from stages.preprocess.store import Store
from stages.tracking import Run, continued


@door("evaluate", picks="model")
def main(job: Job) -> None:
    """Predict the test split and write everything that follows from the predictions."""
    from stages.evaluate.card import card
    from stages.evaluate.metrics import summary
    from stages.evaluate.plots import PICTURES, write_plots
    from stages.evaluate.predictions import predict, write_mistakes, write_predictions

    config = job.model.evaluate
    model = job.place.read(MODEL, job.name)
    store = Store(job.place.read(PREPARED, job.model.dataset))
    test = store.split("test")
    found, description = predict(model, test, config.batch_size)
    metrics = summary(found, config.bins)
    weights = sha256_file(model / "weights.safetensors")
    with job.place.write(REPORT, job.name) as folder:
        write_json(folder / "metrics.json", metrics)
        write_json(folder / "tested.json", {"weights": weights, "data": store.fingerprint})
        write_plots(folder, found, config.bins)
        write_predictions(folder / "predictions.parquet", found, test)
        write_mistakes(folder / PICTURES / "mistakes.png", found, test, config.mistakes)
        write_text(folder / "card.md", card(description, metrics, store.report))
    with continued(job, weights) as run:
        record(run, metrics, job.place.root / REPORT.format(job.name))
    interval = f"{metrics['accuracy_low']:.1%}–{metrics['accuracy_high']:.1%}"
    console.print(f"evaluated {job.name}: test accuracy {metrics['accuracy']:.1%} ({interval})")


def record(run: Run, metrics: dict[str, Any], folder: Path) -> None:
    """Add the test's numbers and pictures to the run that trained the model."""
    numbers = {f"test_{name}": value for name, value in metrics.items() if isinstance(value, float)}
    run.metrics(numbers)
    run.tag("mlflow.note.content", (folder / "card.md").read_text(encoding="utf-8"))
    for file in (folder / "card.md", folder / "metrics.json", *sorted((folder / "pictures").iterdir())):
        run.artifact(file, "test")


if __name__ == "__main__":
    main()
