"""What a finished training leaves: the model's folder, and its run in MLflow."""

from pathlib import Path
from typing import Any

from stages.core.console import console
from stages.core.files import hash_file
from stages.core.plots import draw_curves
from stages.core.tracking import TrackedRun
from stages.core.workspace import MODEL
from stages.train.history import HISTORY, Row, Trained, write_history
from stages.train.model import WEIGHTS, Description, save
from stages.train.training import Training, named


def finish(training: Training, trained: Trained, run: TrackedRun, search: dict[str, Any]) -> None:
    """Write the model's folder, and add it to the run."""
    job = training.job
    with job.workspace.output(MODEL, job.name) as folder:
        write(folder, training, trained, search)
    record(run, job.workspace.root / MODEL.format(job.name))
    console.print(f"trained {job.name}: kept {said(trained.best)}; last {said(trained.last)}")


def said(row: Row) -> str:
    """Say an epoch's validation in words."""
    return f"epoch {row['epoch']:.0f}: val loss {row['val_loss']:.4f}, val accuracy {row['val_accuracy']:.1%}"


def write(folder: Path, training: Training, trained: Trained, search: dict[str, Any]) -> None:
    """Write the model's folder."""
    job, config, store = training.job, training.config, training.store
    description = Description(
        name=job.name,
        dataset=job.model.dataset,
        data=store.fingerprint,
        labels=store.labels,
        size=store.size,
        resize=str(store.report["resize"]),
        plugins=job.tree.plugins,
        config=config.model_dump(),
        trained={
            "images": len(store.split("train")),
            "val_images": len(store.split("val")),
            "epochs": len(trained.history),
            "monitor": config.monitor,
            "mode": config.mode,
            "parameters": training.framework.parameters(trained.network),
            **{name: round(value, 6) for name, value in named(trained).items()},
            **search,
        },
    )
    save(folder, training.framework.state(trained.network), description)
    write_history(folder / HISTORY, trained.history)
    draw_curves(folder / "curves.png", trained.history, trained.best, f"{job.name} on {job.model.dataset}")


def record(run: TrackedRun, folder: Path) -> None:
    """Attach the curves, and name the run by its weights, so that later stages find it."""
    run.log_artifact(folder / "curves.png")
    run.log_artifact(folder / HISTORY)
    run.set_tag("weights", hash_file(folder / WEIGHTS))
