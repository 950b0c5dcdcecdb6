"""Records runs in MLflow. A store that is down stops no stage: what was not recorded is listed at the end."""

import json
import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rich.markup import escape

from stages.core.console import console
from stages.core.files import write_text
from stages.core.mlflow_store import connect, describe_store, explain_failure, locate_artifacts, store_uri
from stages.core.redaction import redact_credentials, redact_url
from stages.core.workspace import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

    from stages.core.context import StageContext

PARENT = "BESTIARY_PARENT_RUN"  # the variable that tells the jobs of a sweep its run, which theirs are nested in
MAX_FAILURES = 2  # in a row, after which a store is not asked again

_SLOW_ANSWER = 0.5  # seconds; after a slower answer, epochs wait and are sent together
_SLOW_SHARE = 0.01  # of a training's time, which sending epochs to a slow store may take
_NAME_LENGTH, _SHORT_OVERRIDE = 80, 24  # characters
_ITSELF = "the run itself"
_PARENT_TAG = "mlflow.parentRunId"
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens at runs, not at LLM traces


class TrackedRun:
    """One run in MLflow. Its methods do not raise: the first failure is explained, and `close` lists what is missing.

    A store that fails delays a training by two timeouts, less than a minute. One that answers slowly gets the metrics
    of many epochs in one batch.
    """

    def __init__(self) -> None:
        self.client: Any = None
        self.id: str | None = None
        self.lost: list[str] = []
        self._failures = 0
        self._epochs: dict[int, list[Metric]] = {}  # not sent yet
        self._next_batch = 0.0
        self._monitor: Any = None

    def connect(self) -> None:
        """Opens the store."""
        self.client = self._require(connect)

    def open(self, experiment: str, name: str, tags: dict[str, str], resumed: str | None = None) -> None:
        """Continues the resumed run if it still exists, else starts one. The experiment is created if need be."""
        if self.client is None:
            self.connect()
        self.id = self._require(lambda: _start_run(self.client, experiment, name, tags, resumed))

    def attempt(self, what: str, action: Callable[[], Any]) -> Any:
        """Calls the store. If that fails, returns None and lists `what` as missing."""
        if self._failures >= MAX_FAILURES:
            self.lost.append(what)
            return None
        try:
            result = action()
        except Exception as error:  # a store that is down, locked or full raises anything
            self._failures += 1
            if not self.lost:
                reason = redact_credentials(f"{describe_store()}: {explain_failure(error)}")
                console.print(f"[yellow]MLflow does not record: {escape(reason)}; going on[/]")
            self.lost.append(what)
            return None
        self._failures = 0
        return result

    def log_params(self, values: dict[str, Any]) -> None:
        """Records flat parameters."""
        from mlflow.entities import Param

        params = [Param(name, str(value)) for name, value in values.items()]
        self.attempt("parameters", lambda: self.client.log_batch(self.id, params=params))

    def log_metrics(self, values: dict[str, float]) -> None:
        """Records metrics of the whole run."""
        metrics = _create_metrics(values, 0)
        self.attempt("metrics", lambda: self.client.log_batch(self.id, metrics=metrics))

    def log_epoch(self, row: dict[str, float]) -> None:
        """Records an epoch's metrics. Its number, the row's `epoch`, is their step."""
        step = int(row["epoch"])
        self._epochs[step] = _create_metrics({name: value for name, value in row.items() if name != "epoch"}, step)
        if time.monotonic() >= self._next_batch:
            self._send_epochs()

    def log_dataset(self, name: str, digest: str, source: str, context: str) -> None:
        """Records a dataset as an input of the run. The context says what it is used for: "training", "testing" …

        MLflow keeps one context for each name and digest in a run.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = redact_url(source)
        kind = urlsplit(source).scheme.replace("https", "http") or "local"
        dataset = Dataset(name, digest, kind, json.dumps({"url" if kind == "http" else "uri": source}))
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
        self.attempt(f"dataset {name}", lambda: self.client.log_inputs(self.id, datasets=inputs))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Stores a file."""
        self.attempt(path.name, lambda: self.client.log_artifact(self.id, str(path), folder))

    def set_tag(self, name: str, value: str) -> None:
        """Sets a tag."""
        self.attempt(f"tag {name}", lambda: self.client.set_tag(self.id, name, value))

    def start_system_metrics(self) -> None:
        """Samples the use of CPU, memory, disk, network and GPU until the run is closed."""
        if find_spec("psutil") is None:
            console.print("[yellow]trainer.system_metrics: not recorded; they need psutil: pip install psutil[/]")
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        create = partial(SystemMetricsMonitor, self.id, resume_logging=True, tracking_uri=store_uri())
        self._monitor = self.attempt("system metrics", create)
        if self._monitor is not None:
            self._monitor.start()

    def close(self, status: str) -> None:
        """Ends the run as FINISHED or FAILED, and lists what is missing from it."""
        if self._monitor is not None:
            self._monitor.finish()
        self._send_epochs()
        if self.id is not None:
            self.attempt("the end of the run", lambda: self.client.set_terminated(self.id, status))
        if self.lost:
            console.print(f"[yellow]not recorded in MLflow: {escape(', '.join(dict.fromkeys(self.lost)))}[/]")

    def _require(self, action: Callable[[], Any]) -> Any:
        result = self.attempt(_ITSELF, action)
        if result is None:
            self._failures = MAX_FAILURES
        return result

    def _send_epochs(self) -> None:
        if not self._epochs:
            return
        first, last = min(self._epochs), max(self._epochs)
        what = f"metrics of step {first}" if first == last else f"metrics of steps {first} to {last}"
        metrics = [metric for epoch in self._epochs.values() for metric in epoch]
        self._epochs.clear()
        begin = time.monotonic()
        self.attempt(what, lambda: self.client.log_batch(self.id, metrics=metrics))
        end = time.monotonic()
        self._next_batch = end + (end - begin) / _SLOW_SHARE if end - begin > _SLOW_ANSWER else end


@contextmanager
def track_training(
    context: "StageContext",
    scratch: Path,
    tags: dict[str, str],
    params: dict[str, Any],
    values: str = "",
    parent: str | None = None,
) -> Iterator[TrackedRun]:
    """Records a training as one run.

    Args:
        context: The model that is trained.
        scratch: The folder of its checkpoints. It keeps the run's id, so that a killed training continues its run.
        tags: Tags beside those of every stage.
        params: The training's config, flat.
        values: What a candidate of a search differs by, for the run's name: "lr=0.001".
        parent: The id of the run that a candidate's run is nested in.
    """
    note = scratch / "mlflow_run"
    saved = note.read_text().strip() if note.exists() else None
    nested = {_PARENT_TAG: parent} if parent else {}
    run = TrackedRun()
    run.connect()
    active = None if parent else run.attempt(_ITSELF, lambda: active_run_id(run.client))
    run.open(context.name, name_run(context, values), collect_tags(context) | tags | nested, active or saved)
    if run.id is not None:
        write_text(note, run.id)
        run.log_params(params)
    with end_run(run):
        yield run


@contextmanager
def continue_run(context: "StageContext", weights: str) -> Iterator[TrackedRun]:
    """Adds to the run that made these weights (SHA-256), so that one run holds all of a model's results."""
    run = TrackedRun()
    run.connect()

    def find() -> str | None:
        active = active_run_id(run.client)
        producer = None if active else _search_run(run.client, context.name, weights)
        return producer.info.run_id if producer else active

    resumed = run.attempt(_ITSELF, find)
    run.open(context.name, name_run(context), collect_tags(context) | {"weights": weights}, resumed)
    with end_run(run):
        yield run


@contextmanager
def end_run(run: TrackedRun) -> Iterator[None]:
    """Closes a run at the end of the block, as failed if that raises."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        run.close(status)


def find_run(experiment: str, weights: str) -> "Run | None":
    """Finds the run that made these weights; None if there is none or the store does not answer."""
    try:
        return _search_run(connect(), experiment, weights)
    except Exception:  # a store that is down, locked or full raises anything
        return None


def name_run(context: "StageContext", values: str = "") -> str:
    """Names a run by its model and what differs, e.g. "base_cnn lr=0.001": values if given, else the overrides."""
    model = f"models.{context.name}."
    words = [context.name or context.stage, values]
    for override in () if values else context.overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key.startswith(model) or (
            len(override) <= _SHORT_OVERRIDE and key not in ("model", "dataset", "index", "from")
        ):
            words.append(f"{key.removeprefix(model).removeprefix('train.')}={value}")
    return textwrap.shorten(" ".join(words), _NAME_LENGTH, placeholder=" …")


def collect_tags(context: "StageContext") -> dict[str, str]:
    """Collects the tags that every stage's run has."""
    tags = {
        "dvc_stage": f"{context.stage}@{context.name}",
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "mlflow.source.git.commit": _read_git_commit(),
        _PARENT_TAG: os.environ.get(PARENT, ""),
    }
    return {name: value for name, value in tags.items() if value}


def flatten(node: Any, path: str) -> dict[str, Any]:
    """Maps the dotted name of every leaf of nested dictionaries to its value: the same names as the overrides."""
    if not isinstance(node, dict):
        return {path: node}
    leaves: dict[str, Any] = {}
    for name, value in node.items():
        leaves |= flatten(value, f"{path}.{name}" if path else str(name))
    return leaves


def active_run_id(client: "MlflowClient") -> str | None:
    """The run that `mlflow run` started for this command, from MLFLOW_RUN_ID. A sweep's jobs have runs of their own."""
    run_id = None if os.environ.get(PARENT) else os.environ.get("MLFLOW_RUN_ID")
    if not run_id or _run_exists(client, run_id):
        return run_id or None
    where = escape(f"MLFLOW_RUN_ID={run_id}: no such run in {describe_store()}")
    console.print(f"[yellow]{where}; recording in another run; unset the variable[/]")
    return None


def _start_run(client: "MlflowClient", experiment: str, name: str, tags: dict[str, str], resumed: str | None) -> str:
    from mlflow.entities import RunTag

    if resumed is not None and _run_exists(client, resumed):
        client.update_run(resumed, status="RUNNING")
        client.log_batch(resumed, tags=[RunTag(tag, value) for tag, value in tags.items()])
        return resumed
    return str(client.create_run(_ensure_experiment(client, experiment), tags=tags, run_name=name).info.run_id)


def _run_exists(client: "MlflowClient", run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return False
        raise


def _ensure_experiment(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, locate_artifacts(name), _EXPERIMENT_TAGS))
        except MlflowException:  # another process may have created it since
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def _search_run(client: "MlflowClient", experiment: str, weights: str) -> "Run | None":
    known = client.get_experiment_by_name(experiment)
    runs = client.search_runs([known.experiment_id], f"tags.weights = '{weights}'", max_results=1) if known else []
    return next(iter(runs), None)


def _create_metrics(values: dict[str, float], step: int) -> "list[Metric]":
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(name, float(value), now, step) for name, value in values.items()]


def _read_git_commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
