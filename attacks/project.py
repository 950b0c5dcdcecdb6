"""A fresh copy of the project to break, and the environment that its commands run in."""

import os
import shutil
import sys
from pathlib import Path

from stages.core.workspace import CODE_ROOT

FILES = ("MLproject", "dvc.yaml", "params.yaml", "pyproject.toml", "requirements.lock", ".dvcignore", ".gitignore")
COPIED = ("bento", "conf", "stages", *FILES)
OWN = ("DVC", "MLFLOW", "BESTIARY", "ORT_", "PYTHONDONTWRITEBYTECODE")  # of this process, not of those that it starts


def copy_project(target: Path) -> Path:
    """Copy the project's own files, as a fresh clone would hold them."""
    for name in COPIED:
        source = CODE_ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
    (target / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copyfile(CODE_ROOT / ".dvc" / name, target / ".dvc" / name)
    return target


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which the project's own interpreter comes first and nothing reports home."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    quiet = {"DVC_NO_ANALYTICS": "1", "BENTOML_DO_NOT_TRACK": "True", "COLUMNS": "200"}
    return outer | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | quiet | changes
