"""MLflow's model registry: an ONNX-flavoured version of every package; the best one is the champion."""

from pathlib import Path
from typing import Any

from stages.core.console import console
from stages.core.onnx_model import FILES
from stages.core.tracking import TrackedRun
from stages.preprocess.store import Images
from stages.train.model import Description

CHAMPION = "champion"
DRAWN = "synthetic"


def register(run: TrackedRun, model: Description, package: Path, sha256: str, source: str, example: Images) -> None:
    """Register a package once; it becomes champion if it beats the last one on the same data."""

    def act() -> None:
        if known(run.client, model.name, sha256):
            return
        version = log(run, model, package, example)
        monitor = str(model.trained["monitor"])
        tags = {
            "onnx": sha256,
            "data": model.data,
            "source": source,
            "monitor": monitor,
            "mode": str(model.trained["mode"]),
            "value": str(model.trained[f"best_{monitor}"]),
        }
        for name, value in tags.items():
            run.client.set_model_version_tag(model.name, version, name, value)
        if beats(tags, champion(run.client, model.name)):
            run.client.set_registered_model_alias(model.name, CHAMPION, version)
            console.print(f"registered {model.name} version {version} as {CHAMPION}")
        else:
            console.print(
                f"registered {model.name} version {version}; it does not beat the {CHAMPION} on the same data"
            )

    run.attempt("the registered model", act)


def note(run: TrackedRun, name: str, package: Path, sha256: str, int8: dict[str, Any]) -> None:
    """Record how the int8 edition of a registered package did, in the run and with the version; its file, too."""
    tags = {"int8": str(int8["packaged"] or "not packaged"), "int8_test_accuracy": str(int8["accuracy"])}
    run.log_metrics({"test_accuracy_int8": int8["accuracy"], "test_drop_points_int8": int8["drop_points"]})
    run.set_tag("int8", tags["int8"])
    if int8["packaged"]:
        run.log_artifact(package / FILES["int8"], "int8")

    def act() -> None:
        version = known(run.client, name, sha256)
        for tag, value in tags.items():
            run.client.set_model_version_tag(name, version, tag, value)

    run.attempt("int8 of the registered model", act)


def known(client: Any, name: str, sha256: str) -> str | None:
    """Return the version of these very bytes, None where they are not registered yet."""
    versions = client.search_model_versions(f"name = '{name}'")
    return next((str(found.version) for found in versions if found.tags.get("onnx") == sha256), None)


def log(run: TrackedRun, model: Description, package: Path, example: Images) -> str:
    """Log the ONNX file as an MLflow model with signature and example; return the new version."""
    import mlflow.onnx
    import onnx
    from mlflow.models import infer_signature

    from stages.core.onnx_model import create_session
    from stages.package.onnx import INPUT, OUTPUT

    file = package / "model.onnx"
    answer = create_session(file).run([OUTPUT], {INPUT: example})[0]
    with mlflow.start_run(run_id=run.id):
        logged = mlflow.onnx.log_model(
            onnx.load(file),
            name="model",
            registered_model_name=model.name,
            signature=infer_signature(example, answer),
            input_example=example,
            onnx_execution_providers=["CPUExecutionProvider"],
            pip_requirements=["onnxruntime", "numpy"],
            save_as_external_data=False,
        )
    return str(logged.registered_model_version)


def champion(client: Any, name: str) -> dict[str, str] | None:
    """Return the tags of the champion, None where there is none yet."""
    found = client.get_registered_model(name).aliases.get(CHAMPION)
    return dict(client.get_model_version(name, found).tags) if found else None


def beats(new: dict[str, str], old: dict[str, str] | None) -> bool:
    """Return whether a version may take over: better on the same data, or the old one knows drawings only."""
    if old is None:
        return True
    if any(new[tag] != old.get(tag) for tag in ("data", "monitor", "mode")):
        return old.get("source") == DRAWN
    sign = -1 if new["mode"] == "min" else 1
    return sign * float(new["value"]) > sign * float(old["value"])
