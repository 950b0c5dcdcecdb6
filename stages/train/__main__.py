"""`python -m stages.train model=NAME`: train one model; with `-m` and comma-separated values, a sweep."""

import shutil
import time
from dataclasses import asdict
from pathlib import Path

from stages.config import project
from stages.console import console
from stages.door import Job, Result, door
from stages.files import fingerprint, sha256_file
from stages.place import MODEL, PREPARED
from stages.preprocess.store import Store
from stages.registry import NETWORKS, module_of, source
from stages.tracking import Run, tracked
from stages.train.curves import draw_curves
from stages.train.framework import Framework, framework
from stages.train.history import Row, Trained, write_history
from stages.train.model import WEIGHTS, Description, save
from stages.train.weights import locate


@door("train", picks="model")
def main(job: Job) -> Result:
    """Train, keep the best epoch, write weights, history and curves, record the run."""
    config = job.model.train
    locate(config.weights)
    store = Store(job.place.read(PREPARED, job.model.dataset))
    kind = NETWORKS[config.framework]
    network_file = source(module_of(kind, str(config.network["name"]), job.tree.plugins, "network"))
    key = fingerprint([job.name, asdict(config), store.fingerprint, sha256_file(network_file)])
    scratch = project() / ".checkpoints" / key
    chosen = framework(config.framework)
    network = chosen.prepare(config, store, job.tree.plugins)
    with tracked(job, scratch, {"config": key, "data": store.fingerprint}) as run:
        start = time.monotonic()
        trained = chosen.train(network, config, store, scratch, run.epoch)
        run.metrics({"train_seconds": time.monotonic() - start} | named(trained))
        with job.place.write(MODEL, job.name) as folder:
            write(folder, job, store, trained, chosen)
        record(run, job.place.root / MODEL.format(job.name))
    shutil.rmtree(scratch, ignore_errors=True)
    console.print(f"trained {job.name}: kept {said(trained.best)}; last {said(trained.last)}")
    return Result(config.monitor, trained.best)


def said(row: Row) -> str:
    """Say an epoch's validation in words."""
    return f"epoch {row['epoch']:.0f}: val loss {row['val_loss']:.4f}, val accuracy {row['val_accuracy']:.1%}"


def named(trained: Trained) -> dict[str, float]:
    """Return the kept and the last epoch's metrics under names of their own, so a sweep's best is one column."""
    rows = {"best": trained.best, "last": trained.last}
    return {f"{which}_{name}": value for which, row in rows.items() for name, value in row.items() if name != "lr"}


def write(folder: Path, job: Job, store: Store, trained: Trained, chosen: Framework) -> None:
    """Write the model's folder."""
    description = Description(
        name=job.name,
        dataset=job.model.dataset,
        data=store.fingerprint,
        labels=store.labels,
        size=store.size,
        resize=str(store.report["resize"]),
        plugins=job.tree.plugins,
        config=asdict(job.model.train),
        trained={
            "images": len(store.split("train")),
            "val_images": len(store.split("val")),
            "epochs": len(trained.history),
            "monitor": job.model.train.monitor,
            "parameters": chosen.parameters(trained.network),
            **{name: round(value, 6) for name, value in named(trained).items()},
        },
    )
    save(folder, chosen.state(trained.network), description)
    write_history(folder / "history.csv", trained.history)
    draw_curves(folder / "curves.png", trained.history, trained.best, f"{job.name} on {job.model.dataset}")


def record(run: Run, folder: Path) -> None:
    """Attach the curves, and name the run by its weights, so that later stages find it."""
    run.artifact(folder / "curves.png")
    run.artifact(folder / "history.csv")
    run.tag("weights", sha256_file(folder / WEIGHTS))


if __name__ == "__main__":
    main()
