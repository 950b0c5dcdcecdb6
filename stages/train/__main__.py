"""`python -m stages.train model=NAME`: train one model; with `-m` and comma-separated values, a sweep."""

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from stages.config import project
from stages.console import console
from stages.door import Job, Result, door
from stages.files import fingerprint, sha256_file
from stages.place import MODEL, PREPARED
from stages.preprocess.store import Store
from stages.registry import NETWORK, module_of, source
from stages.tracking import Run, tracked
from stages.train.curves import draw_curves, write_history
from stages.train.weights import locate

if TYPE_CHECKING:
    from stages.train.lightning import Trained


@door("train", picks="model")
def main(job: Job) -> Result:
    """Train, keep the best epoch, write weights, history and curves, record the run."""
    config = job.model.train
    locate(config.weights)
    store = Store(job.place.read(PREPARED, job.model.dataset))
    network_file = source(module_of(NETWORK, str(config.network["name"]), job.tree.plugins, "network"))
    key = fingerprint([job.name, asdict(config), store.fingerprint, sha256_file(network_file)])
    scratch = project() / ".checkpoints" / key
    from stages.train.lightning import prepare, train

    network = prepare(config, store, job.tree.plugins)
    with tracked(job, scratch, {"config": key, "data": store.fingerprint}) as run:
        start = time.monotonic()
        trained = train(network, config, store, scratch, run.epoch)
        run.metrics({"train_seconds": time.monotonic() - start} | named(trained))
        with job.place.write(MODEL, job.name) as folder:
            write(folder, job, store, trained)
        record(run, job.place.root / MODEL.format(job.name))
    shutil.rmtree(scratch, ignore_errors=True)
    best = trained.best
    console.print(
        f"trained {job.name}: kept epoch {best['epoch']:.0f} of {len(trained.history)}, "
        f"val loss {best['val_loss']:.4f}, val accuracy {best['val_accuracy']:.1%}"
    )
    return Result(config.monitor, best)


def named(trained: "Trained") -> dict[str, float]:
    """Return the kept epoch's metrics under names of their own, so a sweep's best is one column."""
    return {f"best_{name}": value for name, value in trained.best.items() if name != "lr"}


def write(folder: Path, job: Job, store: Store, trained: "Trained") -> None:
    """Write the model's folder."""
    from stages.train.model import Description, save

    config, best = job.model.train, trained.best
    description = Description(
        name=job.name,
        network=config.network,
        plugins=job.tree.plugins,
        labels=store.labels,
        size=store.size,
        resize=str(store.report["resize"]),
        mean=config.normalize.mean,
        std=config.normalize.std,
        dataset=job.model.dataset,
        data=store.fingerprint,
        trained={
            "images": len(store.split("train")),
            "val_images": len(store.split("val")),
            "epochs": len(trained.history),
            "monitor": config.monitor,
            "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
            **{f"best_{name}": round(value, 6) for name, value in best.items()},
            "config": asdict(config),
        },
    )
    save(folder, trained.network, description)
    write_history(folder / "history.csv", trained.history)
    draw_curves(folder / "curves.png", trained.history, best, f"{job.name} on {job.model.dataset}")


def record(run: Run, folder: Path) -> None:
    """Attach the curves, and name the run by its weights, so that later stages find it."""
    run.artifact(folder / "curves.png")
    run.artifact(folder / "history.csv")
    run.tag("weights", sha256_file(folder / "weights.safetensors"))


if __name__ == "__main__":
    main()
