"""A pipeline as DVC sees it: which stages there are, what each needs, which are out of date, what dvc.lock says."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.dvcfile import PROJECT_FILE
from dvc.lock import make_lock
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.utils.serialize import load_yaml, modify_yaml


class Pipeline:
    """The stages that a `dvc repro` of some targets would look at, in its order."""

    def __init__(self, repo: Repo, targets: Sequence[str]) -> None:
        self.repo = repo
        self.mend()
        with lock_repo(repo):
            graph = get_active_graph(repo.index.graph)
            planned = plan_repro(graph, collect_stages(repo, targets or [PROJECT_FILE]))
            self.needs: dict[str, set[str]] = {
                stage.addressing: {need.addressing for need in graph.successors(stage)} for stage in planned
            }
        self.stages: dict[str, Any] = {stage.addressing: stage for stage in planned}

    @property
    def steps(self) -> list[str]:
        """The stages' names, in the order of a `dvc repro`."""
        return list(self.stages)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold DVC's lock: for looking, not for running."""
        with lock_repo(self.repo):
            yield

    def mend(self) -> None:
        """Do without DVC's list of who reads and writes what where its writing was broken off; DVC would refuse it."""
        file, lock = (Path(self.repo.tmp_dir) / name for name in (RWLOCK_FILE, RWLOCK_LOCK))
        hardlinks = self.repo.config["core"]["hardlink_lock"]
        with make_lock(str(lock), tmp_dir=self.repo.tmp_dir, hardlink_lock=hardlinks, wait=True):
            try:
                json.loads(file.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return
            except ValueError:
                file.unlink()

    def changed(self, name: str) -> bool:
        """Return whether a stage is out of date; what it needs is there. DVC's lock is held."""
        return bool(self.stages[name].changed())

    def command(self, name: str) -> list[str]:
        """Return the words after `dvc` that run one stage."""
        return ["--wait-for-lock", "repro", "--single-item", name]

    def logs(self) -> Path:
        """Return a folder for what stages print."""
        folder = Path(self.repo.tmp_dir) / "repro"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def ordered(self) -> Iterator[None]:
        """Leave in each dvc.lock the order that a sequential run leaves, whichever stage ended first."""
        files = {Path(stage.path).with_suffix(".lock") for stage in self.stages.values()}
        before = {file: names(file) for file in files}
        try:
            yield
        finally:
            for file, known in before.items():
                self.order(file, known)

    def order(self, file: Path, known: Sequence[str]) -> None:
        """Put a dvc.lock's stages in order: those that were there, then the new ones as planned."""
        planned = [stage.name for stage in self.stages.values() if Path(stage.path).with_suffix(".lock") == file]
        with self.held():
            found = names(file)
            wanted = [name for name in dict.fromkeys([*known, *planned, *found]) if name in found]
            if found != wanted:
                with modify_yaml(str(file)) as content:
                    content["stages"] = {name: content["stages"][name] for name in wanted}


def names(file: Path) -> list[str]:
    """Return the stages of a dvc.lock, in its order."""
    return list(load_yaml(str(file)).get("stages", {})) if file.exists() else []
