"""`python -m stages.train model=NAME`: train one model; with `-m` and comma-separated values, a sweep."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.console import console
from stages.door import door
from stages.files import sha256_file
from stages.job import Job, Result
from stages.place import MODEL, PREPARED
from stages.preprocess.store import Store
from stages.tracking import Run
from stages.train.candidates import best_of
from stages.train.curves import draw_curves
from stages.train.history import HISTORY, Row, Trained, write_history
from stages.train.identity import identity
from stages.train.model import WEIGHTS, Description, save
from stages.train.training import Training, checkpoints, clear, named, require_classes
from stages.train.weights import locate


@door("train", picks="model", identity=identity)
def main(job: Job) -> Result:
    """Train, keep the best epoch, of candidates the best one; write weights, history and curves, record the run."""
    config, search = job.model.train, job.model.search
    locate(config.weights)
    store = Store(job.place.read(PREPARED, job.model.dataset))
    require_classes(store, job.model.dataset)
    if search.strategy != "none":
        with best_of(job, store) as (training, run, found):
            trained = training.restore()
            finish(training, trained, run, {"search": found})
        return Result(search.select, trained.best)
    training = Training(job, config, store, checkpoints())
    with training.alone():
        prepared = training.prepare()
        with training.tracked() as run:
            trained = training.train(prepared, run)
            finish(training, trained, run, {})
        clear(training.scratch)
    return Result(config.monitor, trained.best)


def finish(training: Training, trained: Trained, run: Run, search: dict[str, Any]) -> None:
    """Write the model's folder, and add it to the run."""
    job = training.job
    with job.place.write(MODEL, job.name) as folder:
        write(folder, training, trained, search)
    record(run, job.place.root / MODEL.format(job.name))
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
        config=asdict(config),
        trained={
            "images": len(store.split("train")),
            "val_images": len(store.split("val")),
            "epochs": len(trained.history),
            "monitor": config.monitor,
            "parameters": training.framework.parameters(trained.network),
            **{name: round(value, 6) for name, value in named(trained).items()},
            **search,
        },
    )
    save(folder, training.framework.state(trained.network), description)
    write_history(folder / HISTORY, trained.history)
    draw_curves(folder / "curves.png", trained.history, trained.best, f"{job.name} on {job.model.dataset}")


def record(run: Run, folder: Path) -> None:
    """Attach the curves, and name the run by its weights, so that later stages find it."""
    run.artifact(folder / "curves.png")
    run.artifact(folder / HISTORY)
    run.tag("weights", sha256_file(folder / WEIGHTS))


if __name__ == "__main__":
    main()
