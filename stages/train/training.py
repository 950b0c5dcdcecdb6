"""One training of a model: its values, its data, its checkpoints, its run in MLflow."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.backends.base import Backend, framework
from stages.config.schema import Train
from stages.core.context import StageContext
from stages.core.distributed import read_dist_env
from stages.core.errors import UserError
from stages.core.files import exclusive_lock, hash_file, hash_json, read_json, require_writable, write_json
from stages.core.registry import NETWORKS, find_module, find_source
from stages.core.tracking import TrackedRun, flatten, track_training
from stages.core.workspace import project_root
from stages.preprocess.store import Store
from stages.train.group import follow_first
from stages.train.history import Row, Trained
from stages.train.weights import locate

DONE = "done.json"


@dataclass(frozen=True)
class Training:
    """A training that can be killed at any time: called again, it goes on where it was."""

    job: StageContext
    config: Train
    store: Store
    home: Path

    @property
    def framework(self) -> Backend:
        """What it trains with."""
        return framework(self.config.framework)

    @cached_property
    def key(self) -> str:
        """Names all that the weights follow from: values, data, the network's code."""
        name, plugins = str(self.config.network["name"]), self.job.tree.plugins
        network = find_module(NETWORKS[self.config.framework], name, plugins, "network")
        weights = locate(self.config.weights)
        files = [hash_file(file) for file in (find_source(network), weights) if file]
        return hash_json([self.job.name, self.config.model_dump(), self.store.fingerprint, *files])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from these checkpoints; who trains the same waits."""
        with undisturbed(self.scratch, f"training {self.job.name} with the same values"):
            yield

    @property
    def scratch(self) -> Path:
        """Where its checkpoints lie."""
        return self.home / self.key

    def prepare(self) -> Any:
        """Return what `train` begins with; what is wrong with network or weights shows here."""
        return self.framework.prepare(self.config, self.store, self.job.tree.plugins)

    @contextmanager
    def tracked(self, values: str = "", parent: str | None = None) -> Iterator[TrackedRun]:
        """Record it as one run of MLflow, the same one whenever it goes on."""
        params = flatten(self.config.model_dump(), f"models.{self.job.name}.train")
        tags = {"config": self.key, "data": self.store.fingerprint}
        with track_training(self.job, self.scratch, tags, params, values, parent) as run:
            run.log_dataset(self.job.model.dataset, self.store.fingerprint, self.store.report["source"], "training")
            if self.job.tree.trainer.system_metrics:
                run.start_system_metrics()
            yield run

    def train(self, prepared: Any, run: TrackedRun) -> Trained:
        """Train, or go on with it."""
        start = time.monotonic()
        trained = self.framework.train(prepared, self.config, self.store, self.scratch, run.log_epoch)
        run.log_metrics({"train_seconds": time.monotonic() - start} | named(trained))
        return trained

    def follow(self) -> None:
        """Take part in a training that the first of several processes leads: it reports, records and writes."""
        self.framework.train(self.prepare(), self.config, self.store, self.scratch, lambda _: None)

    def restore(self) -> Trained:
        """Return what a finished training found, from its checkpoints; of several processes the first alone asks."""
        return self.framework.train(
            self.prepare(), self.config, self.store, self.scratch, lambda _: None, together=False
        )

    def finish(self, row: Row) -> None:
        """Note the kept epoch's row: this training need not run again."""
        write_json(self.scratch / DONE, row)

    def finished(self) -> Row | None:
        """Return the kept epoch's row of a training that is over."""
        return read_json(self.scratch / DONE) if (self.scratch / DONE).exists() else None

    def drop_weights(self) -> None:
        """Remove the checkpoints; that it is over stays known."""
        for file in self.scratch.iterdir():
            if file.name != DONE:
                file.unlink()


def require_classes(store: Store, dataset: str) -> None:
    """Raise a UserError for a dataset whose pictures have no classes: there is nothing to learn."""
    if not store.labels:
        raise UserError(
            f"datasets.{dataset}: a collection without classes, and a classifier needs two; name the column that is "
            f"the class, datasets.{dataset}.fetch.layout.label=…, then make it again: dvc repro preprocess@{dataset}"
        )


def checkpoints() -> Path:
    """Return where trainings leave what they go on from."""
    return project_root() / ".checkpoints"


@contextmanager
def undisturbed(scratch: Path, doing: str) -> Iterator[None]:
    """Hold a folder of checkpoints; of a training's several processes the first does so for all."""
    require_writable(scratch)
    with exclusive_lock(scratch, doing) if read_dist_env().is_main else nullcontext():
        follow_first(f"turn for {scratch.name}")
        yield


def clear(folder: Path) -> None:
    """Remove checkpoints: all of them at once, however it is killed."""
    gone = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone)


def named(trained: Trained) -> Row:
    """Return the kept and the last epoch's metrics under names of their own, so a sweep's best is one column."""
    rows = {"best": trained.best, "last": trained.last}
    return {f"{which}_{name}": value for which, row in rows.items() for name, value in row.items() if name != "lr"}
