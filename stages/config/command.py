"""The `main` of every stage: a person's command goes through Hydra, DVC's reads params.yaml and starts faster."""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.config.load import GROUPS, choose_params, read_params, validate
from stages.core.console import print_error
from stages.core.context import StageContext, StageResult
from stages.core.distributed import wait_for_main_error
from stages.core.errors import UserError, require_known, translate_disk_errors
from stages.core.redaction import refuse_secrets
from stages.core.workspace import Workspace, project_root

if TYPE_CHECKING:
    from omegaconf import DictConfig

Task = Callable[[StageContext], StageResult | None]
InputHash = Callable[[StageContext], str]

FOR_DVC = ("--config-name", "repro")  # how dvc.yaml calls a stage


class StageCommand:
    """A stage's `main`: composes and checks the config, then runs the stage's task.

    Attributes:
        task: The stage's function.
        stage: The stage's name.
        select: What the stage works on: "model", "dataset" or "index"; None for a stage that works on none.
        input_hash: Hash of everything that determines a job's result; None if the stage cannot say. A repeated
            sweep skips the jobs whose hash is the same.
    """

    def __init__(self, task: Task, stage: str, select: str | None, input_hash: InputHash | None) -> None:
        self.task, self.stage, self.select, self._input_hash = task, stage, select, input_hash

    def __call__(self) -> None:
        """Runs the command line and exits: 0, 1 if a sweep's job failed, 2 for a user's mistake."""
        words = sys.argv[1:]
        try:
            with translate_disk_errors(project_root()):
                refuse_secrets(words, "the command line")
                if tuple(words[:2]) == FOR_DVC:
                    self._run_for_dvc(words[2:])
                    return
                from stages.config.hydra_entry import run_for_person

                if not run_for_person(self, words):
                    raise SystemExit(1)
        except UserError as error:
            wait_for_main_error()
            raise SystemExit(print_error(error)) from None

    def __reduce__(self) -> tuple[Callable[[str], "StageCommand"], tuple[str]]:
        return load_command, (self.module,)

    @property
    def module(self) -> str:
        """The module that `python -m` runs; launchers find the command by it in other processes."""
        spec = sys.modules["__main__"].__spec__
        return spec.name if self.task.__module__ == "__main__" and spec else self.task.__module__

    def run_job(self, config: "DictConfig") -> float | None:
        """Runs the task with a config that Hydra composed. In a sweep an error ends this job only."""
        from stages.config.hydra_entry import run_job

        return run_job(self, config)

    def hash_inputs(self, context: StageContext) -> str | None:
        """Computes the hash of everything that determines the result; None if the stage cannot say."""
        return self._input_hash(context) if self._input_hash else None

    def _run_for_dvc(self, words: Sequence[str]) -> None:
        """Runs on the part of params.yaml that the stage reads; outputs go to the project itself."""
        params = read_params()
        name = ""
        if self.select:
            key, _, name = (words[0] if words else "").partition("=")
            if key != self.select or len(words) > 1:
                flags = " ".join(FOR_DVC)
                raise UserError(f"{flags}: give {self.select}=NAME and nothing else; all values are params.yaml's")
            require_known(key, name, params[GROUPS[key]])
        names = {group: list(params[group]) for group in GROUPS.values()}
        tree = validate(choose_params(params, self.select, name), names)
        context = StageContext(self.stage, tree, name, Workspace(Path.cwd(), Path.cwd()))
        context.workspace.require_writable(self.stage, name)
        self.task(context)


def stage_command(
    stage: str, select: str | None, input_hash: InputHash | None = None
) -> Callable[[Task], StageCommand]:
    """Turns `task(context)` into a stage's `main`.

    Args:
        stage: The stage's name, as in dvc.yaml.
        select: What it works on: "model", "dataset", "index" or None.
        input_hash: See `StageCommand`.
    """
    return lambda task: StageCommand(task, stage, select, input_hash)


def load_command(module: str) -> StageCommand:
    """Imports the command of a stage's module, in another process."""
    command: StageCommand = importlib.import_module(module).main
    return command
