"""The service under attack: a copy of the code with settings of its own, and `bentoml serve` on it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.server import Server, started
from stages.config import CODE

SCRIPT = Path(sys.executable).parent / "bentoml"


def laid_out(home: Path, **settings: object) -> Path:
    """Copy what the services need into a folder, with these keys of `bento` changed; return the folder."""
    for name in ("bento", "stages"):
        shutil.copytree(CODE / name, home / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    params = yaml.safe_load((CODE / "params.yaml").read_text(encoding="utf-8"))
    chosen = {"bento": params["bento"] | settings}
    (home / "params.yaml").write_text(yaml.safe_dump(chosen), encoding="utf-8")
    return home


@contextmanager
def attacked(code: Path, packages: Path, target: str) -> Iterator[Server]:
    """Serve the packages of a project's folder with the code and settings of another; yield the server."""
    command = [str(SCRIPT), "serve", f"bento.service:{target}", "--port"]
    home = {"BESTIARY_HOME": str(packages), "BENTOML_HOME": str(code / ".bentoml")}
    with started(command, home, code) as server:
        yield server
