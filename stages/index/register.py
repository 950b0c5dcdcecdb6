"""MLflow: a run for every index, and its whole folder as one registered model."""

from pathlib import Path
from typing import Any

from stages.core.console import console
from stages.core.tracking import TrackedRun
from stages.core.workspace import CODE_ROOT
from stages.index.conditional.stored import LISTS
from stages.package.register import CHAMPION, DRAWN, champion


def register(run: TrackedRun, name: str, folder: Path, fingerprint: str, source: str) -> None:
    """Register an index once; the newest is the champion, but one of drawn pictures never follows one of others."""

    def act() -> None:
        if known(run.client, name, fingerprint):
            return
        version = log(run, name, folder)
        for tag, value in (("index", fingerprint), ("source", source)):
            run.client.set_model_version_tag(name, version, tag, value)
        old = champion(run.client, name)
        if source == DRAWN and old is not None and old.get("source") != DRAWN:
            console.print(f"registered {name} version {version}; the {CHAMPION} is of pictures that were not drawn")
            return
        run.client.set_registered_model_alias(name, CHAMPION, version)
        console.print(f"registered {name} version {version} as {CHAMPION}")

    run.attempt("the registered model", act)


def known(client: Any, name: str, fingerprint: str) -> bool:
    """Return whether this very index is registered already."""
    return any(found.tags.get("index") == fingerprint for found in client.search_model_versions(f"name = '{name}'"))


def required(folder: Path) -> list[str]:
    """Return what reading an index needs."""
    return ["numpy>=2", "onnxruntime", "pandas", "pillow", *(["faiss-cpu"] if (folder / LISTS).exists() else [])]


def log(run: TrackedRun, name: str, folder: Path) -> str:
    """Log the folder with the code that reads it; return the new version."""
    import mlflow.pyfunc

    with mlflow.start_run(run_id=run.id):
        logged = mlflow.pyfunc.log_model(
            name="model",
            registered_model_name=name,
            loader_module="stages.index.served",
            data_path=str(folder),
            code_paths=[str(CODE_ROOT / "stages")],
            pip_requirements=required(folder),
        )
    return str(logged.registered_model_version)
