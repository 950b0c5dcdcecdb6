"""Where MLflow keeps its runs: a database in the project, or the store that MLFLOW_TRACKING_URI names."""

import logging
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from stages.core.errors import UserError, first_line
from stages.core.files import atomic_file, exclusive_lock
from stages.core.redaction import redact_credentials
from stages.core.workspace import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
LOCK_TIMEOUT = 10.0  # seconds that another process may hold a database before it counts as locked

_SETTINGS = {  # by default MLflow asks a server that is down for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_ARTIFACT_COLUMNS = (  # what MLflow stores as absolute locations
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"),
    ("model_versions", "source"), ("model_versions", "storage_location"),
)  # fmt: skip
# The folder of an experiment that TrackedRun created, or of the experiment that every database begins with.
_EXPERIMENT_FOLDER = re.compile(r"((?:file://)?/.+/(mlartifacts|mlruns(?=/0$)))/[^/]+")


def store_uri() -> str:
    """The address of the store: MLFLOW_TRACKING_URI, or the project's own database."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or project_store_uri()
    return _strip_credentials(uri) if uri.startswith(("http://", "https://")) else uri


def project_store_uri() -> str:
    """The address of the project's own database."""
    return f"{SQLITE}{project_root() / 'mlflow.db'}"


def describe_store() -> str:
    """Names the store for a message, with the variable that selects it if one does."""
    uri = store_uri()
    return uri if uri == project_store_uri() else f"MLFLOW_TRACKING_URI={redact_credentials(uri)}"


def locate_artifacts(experiment: str) -> str | None:
    """Decides where a new experiment's artifacts go: beside the project's own database; None lets any other decide."""
    is_own = _database_file(store_uri()) == _project_path("mlflow.db")
    return (_project_path("mlartifacts") / experiment).as_uri() if is_own else None


def explain_failure(error: BaseException) -> str:
    """Shortens an error of a store to one line, if possible that of the database or the network behind it."""
    cause = error
    while following := cause.__cause__ or cause.__context__:
        cause = following
    if isinstance(error, UserError):
        return str(error)
    return first_line(cause if isinstance(cause, sqlite3.Error | OSError) else error)


def connect() -> "MlflowClient":
    """Opens the store, which is created if need be. One that is down, locked or damaged raises errors of any kind.

    Raises:
        UserError: MLflow refuses the address or the database; the message says why and what helps.
    """
    ensure_database()
    mlflow, uri = _import_mlflow(), store_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        client: MlflowClient = mlflow.MlflowClient(uri)
    except mlflow.MlflowException as error:
        mend = "" if uri == project_store_uri() else "; or unset MLFLOW_TRACKING_URI to use mlflow.db"
        raise UserError(" ".join(str(error).split()).rstrip(".") + mend) from error
    return client


def ensure_database() -> None:
    """Creates the store's database if it is a missing SQLite file, and checks that it can be read.

    MLflow itself would retry a damaged or locked one for minutes.

    Raises:
        sqlite3.Error: It is damaged, locked, or no database.
    """
    uri = store_uri()
    if not uri.startswith(SQLITE):
        return
    file = _database_file(uri)
    if not file.exists():
        with exclusive_lock(file, f"creating {file.name}"):
            if not file.exists():
                create_database(file)
    with closing(_open_database(file, "ro")) as database:
        created = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone()
        is_own = file == _project_path("mlflow.db")
        moved = _find_moved_folders(database) if created and is_own else {}
    if moved:
        _relocate_artifacts(file)


def create_database(file: Path) -> None:
    """Creates an empty database with MLflow's tables. A process that is killed leaves no half of one."""
    with atomic_file(file) as scratch:
        for leftover in (scratch, scratch.with_name(f"{scratch.name}-journal")):
            leftover.unlink(missing_ok=True)
        _import_mlflow().MlflowClient(f"{SQLITE}{scratch}", f"{SQLITE}{scratch}")


def _relocate_artifacts(file: Path) -> None:
    """Points the project's own database at the folder that the project is in now.

    MLflow stores absolute paths. After a move, or in a copy, new artifacts would go where the project was before.
    """
    with closing(_open_database(file, "rw")) as database, database:
        database.execute("BEGIN IMMEDIATE")  # another process may be about to do the same
        for former, current in _find_moved_folders(database).items():
            for table, column in _ARTIFACT_COLUMNS:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (current, len(former) + 1, len(former), former),
                )


def _find_moved_folders(database: sqlite3.Connection) -> dict[str, str]:
    """Maps the artifact folders of the place the project was in before to those of its place now."""
    moved = {}
    for (location,) in database.execute("SELECT artifact_location FROM experiments"):
        if match := _EXPERIMENT_FOLDER.fullmatch(location or ""):
            former, folder = match[1], _project_path(match[2])
            current = folder.as_uri() if former.startswith("file:") else str(folder)
            if former != current:
                moved[f"{former}/"] = f"{current}/"
    return moved


def _open_database(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT)


def _database_file(uri: str) -> Path:
    return Path(uri.removeprefix(SQLITE)).resolve()


def _project_path(name: str) -> Path:
    return project_root().resolve() / name


def _import_mlflow() -> Any:
    """Imports MLflow, set to give up on a server that is down after seconds and to log nothing that it also raises."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for chatty in ("mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    import mlflow

    return mlflow


def _strip_credentials(uri: str) -> str:
    """Moves the login out of a server's address, which MLflow prints, into the variables it reads a login from."""
    parts = urlsplit(uri)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return uri
    user, _, password = login.partition(":")
    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(user), unquote(password)
    os.environ["MLFLOW_TRACKING_URI"] = urlunsplit(parts._replace(netloc=host))
    return os.environ["MLFLOW_TRACKING_URI"]
