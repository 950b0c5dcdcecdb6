"""MLflow: one store for every run, and training that goes on when it is down."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from stages.config import project
from stages.console import console
from stages.files import write_text
from stages.recorder import Patience, client, own_store, reason, store_uri
from stages.secrets import without_login

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from stages.job import Job

PARENT = "BESTIARY_PARENT_RUN"
ITSELF = "the run itself"
PATIENCE = 2  # failures in a row, after which a store is not asked again
PARENT_TAG = "mlflow.parentRunId"


class Run:
    """One MLflow run. A call that fails warns once; what was not recorded is listed at the end."""

    patience = Patience()

    def __init__(self) -> None:
        self.client: Any = None
        self.id: str | None = None
        self.lost: list[str] = []
        self.failures = 0

    def attempt(self, what: str, action: Callable[[], Any], long: bool = False) -> Any:
        """Do something with the store; training must not stop because of it, nor wait for it unless it may be long."""
        if (self.lost and self.id is None) or self.failures >= PATIENCE or self.patience.left <= 0:
            self.lose(what, "it did not answer before")
            return None
        try:
            done = action() if long else self.patience.wait(action)
            self.failures = 0
            return done
        except Exception as error:  # a store that is down, locked or full raises anything
            self.lose(what, without_login(reason(error)))
            self.failures += 1
            return None

    def lose(self, what: str, why: str) -> None:
        """Note what is not recorded; the first time, say why."""
        if not self.lost:
            console.print(f"[yellow]MLflow ({without_login(store_uri())}) does not record: {escape(why)}; going on[/]")
        self.lost.append(what)

    def ready(self) -> None:
        """Have a client; imports and a new database take as long as they take."""
        self.client = self.attempt(ITSELF, client, long=True)

    def open(self, experiment: str, name: str, tags: dict[str, str], resumed: str | None = None) -> None:
        """Go on with a run, or start one in an experiment, which is made if need be."""
        self.ready()
        self.id = self.attempt(ITSELF, partial(started, self.client, experiment, name, tags, resumed))

    def params(self, values: dict[str, Any]) -> None:
        """Record flat parameters."""
        from mlflow.entities import Param

        flat = [Param(name, str(value)) for name, value in values.items()]
        self.attempt("parameters", lambda: self.client.log_batch(self.id, params=flat))

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Record metrics at a step."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = [Metric(name, float(value), now, step) for name, value in values.items()]
        self.attempt(f"metrics of step {step}", lambda: self.client.log_batch(self.id, metrics=found))

    def epoch(self, row: dict[str, float]) -> None:
        """Record an epoch's row of metrics."""
        self.metrics({name: value for name, value in row.items() if name != "epoch"}, int(row["epoch"]))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Attach a file."""
        self.attempt(path.name, lambda: self.client.log_artifact(self.id, str(path), folder))

    def tag(self, name: str, value: str) -> None:
        """Set a tag."""
        self.attempt(f"tag {name}", lambda: self.client.set_tag(self.id, name, value))

    def close(self, status: str) -> None:
        """End the run and say what is missing from it."""
        if self.id is not None:
            self.attempt("the end of the run", lambda: self.client.set_terminated(self.id, status))
        if self.lost:
            console.print(f"[yellow]not recorded in MLflow: {escape(', '.join(dict.fromkeys(self.lost)))}[/]")


def started(own: "MlflowClient", experiment: str, name: str, tags: dict[str, str], resumed: str | None) -> str:
    """Return the id of a run: the resumed one where it is there, else a new one."""
    if resumed is not None and own.get_run(resumed):
        for tag, value in tags.items():
            own.set_tag(resumed, tag, value)
        return resumed
    return str(own.create_run(experiment_id(own, experiment), tags=tags, run_name=name).info.run_id)


def experiment_id(own: "MlflowClient", name: str) -> str:
    """Return the id of an experiment, which is made if need be; another process may make it just now."""
    from mlflow.exceptions import MlflowException

    found = own.get_experiment_by_name(name)
    if found is None:
        home = (project() / "mlartifacts" / name).as_uri() if store_uri() == own_store() else None
        try:
            return str(own.create_experiment(name, home))
        except MlflowException:
            found = own.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def flat(node: Any, path: str) -> dict[str, Any]:
    """Return dotted name → value of every leaf: the same names as the overrides."""
    if not isinstance(node, dict):
        return {path: node}
    found: dict[str, Any] = {}
    for name, value in node.items():
        found |= flat(value, f"{path}.{name}" if path else str(name))
    return found


def stage_tags(job: "Job") -> dict[str, str]:
    """Return the tags by which a stage's run is found again."""
    tags = {
        "dvc_stage": f"{job.stage}@{job.name}",
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "mlflow.source.git.commit": commit(),
        PARENT_TAG: os.environ.get(PARENT, ""),
    }
    return {name: value for name, value in tags.items() if value}


def commit() -> str:
    """Return the project's git commit, empty outside a repository."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, cwd=project(), capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


@contextmanager
def tracked(
    job: "Job",
    scratch: Path,
    tags: dict[str, str],
    params: dict[str, Any],
    name: str | None = None,
    parent: str | None = None,
) -> Iterator[Run]:
    """Record a training as one run; a killed one goes on in the same run, whose id lies in `scratch`."""
    note = scratch / "mlflow_run"
    own = job.place.root.name if os.environ.get(PARENT) else job.stage
    nested = {PARENT_TAG: parent} if parent else {}
    run = Run()
    run.open(job.name, name or own, stage_tags(job) | tags | nested, (None if parent else opened()) or noted(note))
    if run.id is not None:
        write_text(note, run.id)
        run.params(params)
    with closing(run):
        yield run


@contextmanager
def continued(job: "Job", weights: str) -> Iterator[Run]:
    """Add to the run that made these weights (SHA-256), so that one run tells a model's whole story."""
    run = Run()
    run.ready()

    def search() -> str | None:
        found = None if opened() else lookup(job.name, weights)
        return found.info.run_id if found else opened()

    run.open(job.name, job.stage, stage_tags(job) | {"weights": weights}, run.attempt("the search for its run", search))
    with closing(run):
        yield run


def lookup(experiment: str, weights: str) -> Any:
    """Return the newest run that made these weights (SHA-256), None where there is none."""
    found = client()
    known = found.get_experiment_by_name(experiment)
    if known is None:
        return None
    return next(iter(found.search_runs([known.experiment_id], f"tags.weights = '{weights}'", max_results=1)), None)


def find(experiment: str, weights: str) -> Any:
    """Return the run that made these weights, None if there is none or the store does not answer."""
    try:
        return lookup(experiment, weights)
    except Exception:  # a store that is down, locked or full raises anything
        return None


@contextmanager
def closing(run: Run) -> Iterator[None]:
    """End a run as finished or failed."""
    end = partial(run.close, "FAILED")
    try:
        yield
        end = partial(run.close, "FINISHED")
    finally:
        end()


def opened() -> str | None:
    """Return the run that `mlflow run` opened for this command; a sweep's jobs have runs of their own."""
    return None if os.environ.get(PARENT) else os.environ.get("MLFLOW_RUN_ID")


def noted(note: Path) -> str | None:
    """Return the run id that a killed training left."""
    return note.read_text().strip() if note.exists() else None
