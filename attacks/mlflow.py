"""Trainings whose MLflow store is down, mute, slow, full, locked or damaged, and a crowd that writes to one store."""

import argparse
import hashlib
import sqlite3
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.stores import TROUBLES, Middle, NoMount, Trouble, environment
from attacks.verdict import verdict
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.core.console import console, track
from stages.core.context import StageContext
from stages.core.mlflow_store import SQLITE, connect
from stages.core.tracking import TrackedRun, track_training
from stages.core.workspace import Workspace

EPOCHS = 20
BOUND = 60.0  # seconds that a store may delay a training, imports included
RECORDED = ("slow",)  # troubles that delay a training and lose nothing
WRITERS, STEPS = 8, 500


@dataclass(frozen=True)
class Training:
    """What a training made of a store in trouble: its weights' hash, what was lost, what it said, how long it took."""

    trouble: str
    weights: str = ""
    lost: list[str] = field(default_factory=list)
    said: str = ""
    seconds: float = 0.0
    skipped: str = ""

    @property
    def wrong(self) -> list[str]:
        """What does not hold: the training ends, in time, and says once what is missing."""
        if self.skipped:
            return []
        loses = self.trouble not in RECORDED
        found = [] if self.weights == weights(EPOCHS) else ["other weights"]
        found += [] if bool(self.lost) == loses else ["nothing was lost" if loses else f"lost {self.lost}"]
        found += [] if self.said.count("does not record") == loses else ["not said once that nothing is recorded"]
        found += [] if self.said.count("not recorded in MLflow:") == loses else ["not said once what is not recorded"]
        return found + ([f"took {self.seconds:.0f} s, more than {BOUND:.0f}"] if self.seconds > BOUND else [])

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        why = self.skipped or next((line for line in self.said.splitlines() if "does not record" in line), "")
        return self.trouble, f"{self.seconds:.1f}", str(len(self.lost)), why


def weights(epochs: int) -> str:
    """Return what so many epochs come to."""
    return hashlib.sha256(bytes(range(epochs))).hexdigest()


def trained(trouble: Trouble, home: Path) -> Training:
    """Record a training that only counts its epochs, on a store in trouble; the middle is after half of them."""
    home.mkdir()
    name = trouble.__name__.replace("_", " ")
    try:
        with trouble(home) as (uri, middle), environment(MLFLOW_TRACKING_URI=uri, DVC_ROOT=str(home)):
            begun = time.monotonic()
            with console.capture() as said:
                digest, lost = train(home, middle)
            return Training(name, digest, lost, said.get(), time.monotonic() - begun)
    except NoMount as error:
        return Training(name, skipped=f"left out: {error}")


def train(home: Path, middle: Middle) -> tuple[str, list[str]]:
    """Return the weights' hash and what was not recorded."""
    job = StageContext("train", validate(compose_tree()), "base_cnn", Workspace(home, home))
    (home / "curves.png").write_bytes(b"curves")
    done = b""
    with track_training(job, home, {"config": "x"}, {"lr": 0.1}) as run:
        for epoch in range(EPOCHS):
            if epoch == EPOCHS // 2:
                middle()
            done += bytes([epoch])
            run.log_epoch({"epoch": epoch, "val_loss": 1 / (epoch + 1)})
        run.log_artifact(home / "curves.png")
    return hashlib.sha256(done).hexdigest(), run.lost


@dataclass(frozen=True)
class Crowd:
    """What a store holds after many wrote to it at once, and what they and a reader complained of."""

    writers: int
    steps: int
    rows: int
    runs: int
    read: int
    seconds: float
    complaints: list[str]

    @property
    def wrong(self) -> list[str]:
        """What does not hold: every row of every run is there, and nobody was turned away."""
        found = list(self.complaints)
        found += [] if self.rows == self.writers * self.steps else [f"{self.rows} rows of {self.writers * self.steps}"]
        found += [] if self.runs == self.writers else [f"{self.runs} runs of {self.writers}"]
        return found + ([] if self.read else ["the reader read nothing"])


def crowd(home: Path, writers: int, steps: int) -> Crowd:
    """Let processes write to a store that is not there yet, and another read what there is."""
    begun = time.monotonic()
    home.mkdir()
    with (
        environment(MLFLOW_TRACKING_URI=f"{SQLITE}{home / 'mlflow.db'}", DVC_ROOT=str(home)),
        ProcessPoolExecutor(writers + 1, prepared()) as pool,
    ):
        reading = pool.submit(read, home / "done")
        writing = [pool.submit(write, number, steps) for number in range(writers)]
        complaints = [f"writer {number}: {lost}" for number, one in enumerate(writing) for lost in one.result()]
        (home / "done").touch()
        reads, failures = reading.result()
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        rows, runs = (store.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("metrics", "runs"))
    return Crowd(writers, steps, rows, runs, reads, time.monotonic() - begun, complaints + failures)


def prepared() -> BaseContext:
    """Return a way to start processes that have MLflow imported, and so come to the store at the same moment."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store", "stages.core.tracking"])
    return context


def write(number: int, steps: int) -> list[str]:
    """Record a run of so many metrics; return what was lost."""
    run = TrackedRun()
    with console.capture() as said:
        run.open("crowd", f"writer {number}", {})
        for step in range(steps):
            run.log_epoch({"epoch": step, "value": float(step)})
        run.close("FINISHED")
    return [said.get()] if run.lost else []


def read(done: Path) -> tuple[int, list[str]]:
    """Search all runs again and again, as MLflow's page does; return how often that went well, and what did not."""
    reads, failures = 0, []
    while not (done.exists() and reads):
        try:
            store = connect()
            store.search_runs([one.experiment_id for one in store.search_experiments()])
            reads += 1
        except Exception as error:  # whatever a reader meets is what this looks for
            failures.append(f"reader: {error}")
        time.sleep(0.1)
    return reads, failures


def main() -> int:
    """Train with every store in trouble, then let the crowd write; print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m attacks.mlflow", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="the troubles to try (default: all)")
    parser.add_argument("--writers", type=int, default=WRITERS, help="processes (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="metrics of each (default: %(default)s)")
    given = parser.parse_args()
    chosen = [one for one in TROUBLES if not given.only or one.__name__ in given.only]
    with TemporaryDirectory() as home:
        found = [trained(one, Path(home, one.__name__)) for one in track(chosen, len(chosen), "troubles")]
        status = verdict(("store", "seconds", "lost", "said"), ((one.cells, one.wrong) for one in found))
        if given.only:
            return status
        many = crowd(Path(home, "crowd"), given.writers, given.steps)
    cells = (f"{many.writers} x {many.steps}", str(many.rows), str(many.runs), str(many.read), f"{many.seconds:.0f}")
    return verdict(("writers", "rows", "runs", "reads", "seconds"), [(cells, many.wrong)]) or status


if __name__ == "__main__":
    sys.exit(main())
