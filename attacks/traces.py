"""What commands leave in a project: every file by its hash, and the runs in MLflow's database."""

import sqlite3
from contextlib import closing
from pathlib import Path

import yaml

from stages.core.files import hash_file

ROOTS = ("data", "artifacts", "runs", ".checkpoints", "published")

Traces = dict[str, str]


def traces(project: Path, roots: tuple[str, ...] = ROOTS) -> Traces:
    """Return path → SHA-256 of every file below the folders that stages write to; empty folders count too."""
    found = (path for root in roots for path in (project / root).rglob("*"))
    return {
        path.relative_to(project).as_posix(): hash_file(path) if path.is_file() else "folder" for path in sorted(found)
    }


def differences(expected: Traces, found: Traces) -> list[str]:
    """Say what is missing, stray or different."""
    missing = [f"missing: {path}" for path in expected.keys() - found.keys()]
    stray = [f"stray: {path}" for path in found.keys() - expected.keys()]
    torn = [f"different: {path}" for path in expected.keys() & found.keys() if expected[path] != found[path]]
    return sorted([*missing, *stray, *torn])


def below(found: Traces, folder: str, under: str = "") -> Traces:
    """Return the traces below a folder of the project, by their paths in it; `under` is a run's folder."""
    start = f"{under}/{folder}/" if under else f"{folder}/"
    return {path.removeprefix(start): value for path, value in found.items() if path.startswith(start)}


def locked(project: Path) -> dict[str, str]:
    """Return output path → hash of everything that DVC has locked."""
    file = project / "dvc.lock"
    stages = yaml.safe_load(file.read_text())["stages"] if file.exists() else {}
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def unfinished(project: Path) -> int:
    """Return how many runs MLflow takes for running."""
    file = project / "mlflow.db"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])
