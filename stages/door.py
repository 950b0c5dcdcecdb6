"""The way into a stage, for DVC (`--config-name repro`) and for a person (overrides, `-m` sweeps)."""

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from stages.config import CONF, complaint, project, typed
from stages.console import console
from stages.disk import told
from stages.errors import UserError, choose, refusal
from stages.files import write_json, write_text
from stages.interrupts import Interrupts, ends, status
from stages.job import Job, Result
from stages.place import Place
from stages.ranks import give_way, rank
from stages.schema import Tree
from stages.secrets import refuse_secrets
from stages.sweeps.sweep import Sweep, finish
from stages.sweeps.swept import ERROR, RESULT, story

GROUPS = {"dataset": "datasets", "model": "models", "index": "indexes"}

Task = Callable[[Job], Result | None]
Identity = Callable[[Job], str]


class Door:
    """A stage's main: Hydra composes and checks the config, then the task runs."""

    def __init__(self, task: Task, stage: str, picks: str | None, identity: Identity | None) -> None:
        self.task, self.stage, self.picks, self.identity = task, stage, picks, identity

    def __call__(self) -> None:
        """Hand over to Hydra and turn its complaints into one line."""
        os.environ["HYDRA_FULL_ERROR"] = "1"
        os.environ["BESTIARY_STAGE"] = self.stage
        register_resolver()
        Sweep.key = self.key
        whole = False
        if not rank().leads:
            stand_back()
        try:
            refuse_secrets(sys.argv[1:], "the command line")
            check_origin(sys.argv[1:])
            with told(project()):
                hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(self.run)()
        except UserError as error:
            raise SystemExit(refusal(error)) from None
        except HydraException as error:
            raise SystemExit(refusal(complaint(error))) from None
        except KeyboardInterrupt:
            if Sweep.folder is None:
                raise
            console.print("interrupted; the same command goes on from here")
            raise SystemExit(status()) from None
        finally:
            whole = finish()
        if not whole:
            raise SystemExit(1)

    def run(self, config: DictConfig) -> float | None:
        """Run the task once; in a sweep whatever ends one job is noted in its folder and ends no other."""
        try:
            with told(project()):
                return keep(self.task(job(config, self.stage, self.picks)))
        except (Exception, SystemExit) as error:
            settings = HydraConfig.get()
            if settings.mode == RunMode.MULTIRUN:
                note(error, Path(settings.runtime.output_dir))
                return None
            if isinstance(error, UserError):
                give_way()
                raise SystemExit(refusal(error)) from None
            raise

    def key(self, config: DictConfig) -> str | None:
        """Name all that a job's result follows from, None for a stage that cannot say."""
        if self.identity is None:
            return None
        plain = OmegaConf.masked_copy(config, [str(name) for name in config if name != "hydra"])
        tree, origin = typed(plain), plain.get("from")
        place = Place(Path(origin).resolve() if origin else project(), project())
        return self.identity(Job(self.stage, tree, chosen(tree, plain, self.picks), place))

    def __reduce__(self) -> tuple[Callable[[str], "Door"], tuple[str]]:
        """Travel to another process by name: launchers pickle this."""
        spec = sys.modules["__main__"].__spec__
        module = spec.name if self.task.__module__ == "__main__" and spec else self.task.__module__
        return arrive, (module,)


def stand_back() -> None:
    """Let the first of several processes alone have a run folder: in this one Hydra makes none."""
    sys.argv += ["hydra.run.dir=.", "hydra.output_subdir=null"]


def register_resolver() -> None:
    """Make `${first:a,b}` known to YAML: the first value that is not empty."""
    OmegaConf.register_new_resolver("first", lambda *values: next(v for v in values if v), replace=True)


def arrive(module: str) -> Door:
    """Return the door of a stage's module."""
    register_resolver()
    main: Door = importlib.import_module(module).main
    return main


def door(stage: str, picks: str | None, identity: Identity | None = None) -> Callable[[Task], Door]:
    """Turn `task(job)` into a stage's main; `picks` says what it works on: "model", "dataset", "index" or none.

    With `identity`, which names what a job's result follows from, a sweep that is repeated runs only what is missing.
    """
    return lambda task: Door(task, stage, picks, identity)


def note(error: BaseException, folder: Path) -> None:
    """Note in a job's folder what ended it; end this process where it was told to, or where others wait for it."""
    if ends(error):
        raise KeyboardInterrupt from error
    if Interrupts.requeued and isinstance(error, SystemExit):
        raise error
    if not (folder / ERROR).exists():
        write_text(folder / ERROR, story(error))
    if rank().size > 1:
        raise SystemExit(1) from error


def keep(result: Result | None) -> float | None:
    """Write what came of a run into its folder, for the sweep's table; return what an optimiser looks at."""
    settings = HydraConfig.get()
    swept = settings.mode == RunMode.MULTIRUN and rank().leads
    if settings.job.config_name != "repro" and (result is not None or swept):
        write_json(Path(settings.runtime.output_dir) / RESULT, asdict(result) if result else None)
    return result.value if result else None


def check_origin(words: list[str]) -> None:
    """Raise a UserError for `from=` without such a folder; Hydra would make it."""
    for word in words:
        if word.startswith("from=") and not Path(word[5:]).is_dir():
            raise UserError(f"from: no folder {word[5:]}; give a run's folder: runs/<date>/<time>-<stage>")


def job(config: DictConfig, stage: str, picks: str | None) -> Job:
    """Check the composed config and return what the stage needs; nothing else has run before this."""
    tree = typed(config)
    found = Job(stage, tree, chosen(tree, config, picks), place(config))
    found.place.require_writable(stage, found.name)
    return found


def chosen(tree: Tree, config: DictConfig, picks: str | None) -> str:
    """Return what the stage works on, by name."""
    if picks is None:
        return ""
    known: dict[str, Any] = getattr(tree, GROUPS[picks])
    name = config.get(picks)
    if name is None:
        raise UserError(f"{picks}: not chosen; say {picks}=… with one of {', '.join(known)}")
    return choose(picks, name, known)


def place(config: DictConfig) -> Place:
    """Return the project for DVC's door; for a person the run folder given with `from=`, or a new one."""
    settings = HydraConfig.get()
    if settings.job.config_name == "repro":
        return Place(Path.cwd(), Path.cwd())
    return Place(Path(config.get("from") or settings.runtime.output_dir).resolve(), project())
