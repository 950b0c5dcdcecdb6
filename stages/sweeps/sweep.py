"""A Hydra multirun: one parent run in MLflow, and at the end a table sorted by what was monitored."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from stages.config import complaint, project, typed
from stages.console import console
from stages.disk import told
from stages.errors import UserError, refusal
from stages.files import read_json, write_json
from stages.interrupts import heed
from stages.lock import alone
from stages.monitor import rank
from stages.ranks import give_way
from stages.ranks import rank as process
from stages.sweeps.swept import ended_well, overrides, result, story

SWEEP = "sweep.json"  # what a sweep was called with, what its first job follows from, its run in MLflow
QUEUED = ("local", "slurm", "submitit_local", "submitit_slurm")
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
STURDY = {  # the launchers of Hydra and its plugins, and the ones that run jobs by them
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": "hydra_plugins.bestiary.InTurn",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher": "hydra_plugins.bestiary.Joblib",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher": "hydra_plugins.bestiary.Local",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher": "hydra_plugins.bestiary.Slurm",
}


class Sweep(Callback):
    """Opens the parent run before the first job; the door prints the table, whatever became of the jobs."""

    folder: Path | None = None
    jobs: ClassVar[list[Path]] = []  # the folders of those that this command has launched
    parent: Any = None
    key: Callable[[DictConfig], str | None] | None = None  # the door's, which this process came through
    held = ExitStack()

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Open the parent run; Hydra swallows what a callback raises, SystemExit apart."""
        try:
            with told(project()):
                begin(config)
        except UserError as error:
            give_way()
            raise SystemExit(refusal(error)) from None
        except HydraException as error:
            raise SystemExit(refusal(complaint(error))) from None
        except Exception as error:
            raise SystemExit(refusal(story(error))) from None


def begin(config: DictConfig) -> None:
    """Check the first job's config, so that a typo leaves nothing behind, then have a folder and a parent run."""
    require_alone()
    require_launcher(str(config.hydra.runtime.choices.get("hydra/launcher")))
    require_jobs(config.hydra.launcher)
    first = check_first(config)
    note = {"command": command(config), "key": Sweep.key(first) if Sweep.key else None}
    Sweep.folder = former(config, note) or Path(str(config.hydra.sweep.dir))
    heed()
    config.hydra.sweep.dir = str(Sweep.folder)
    config.hydra.launcher._target_ = STURDY.get(config.hydra.launcher._target_, config.hydra.launcher._target_)
    if config.hydra.sweeper._target_ == BASIC:
        config.hydra.sweeper._target_ = "hydra_plugins.bestiary.InOrder"
    config.hydra.overrides.hydra.append(f"hydra.sweep.dir={Sweep.folder}")
    Sweep.held.enter_context(alone(Sweep.folder, "running this sweep"))
    Sweep.parent = recorded(config, first, note, Sweep.folder)


def recorded(config: DictConfig, first: DictConfig, note: dict[str, Any], folder: Path) -> Any:
    """Open the parent run, or the one of the sweep that goes on, and note it."""
    from stages.tracking import PARENT, Run

    run = Run()
    name = next((first[kind] for kind in ("model", "dataset", "index") if first.get(kind)), config.hydra.job.name)
    run.open(str(name), folder.name, {"sweep": " ".join(config.hydra.overrides.task)}, noted(folder, note))
    write_json(folder / SWEEP, note | {"run": run.id})
    if run.id is not None:
        os.environ[PARENT] = run.id
    return run


def require_alone() -> None:
    """Raise a UserError in one of several processes: each would open the sweep."""
    if process().size > 1:
        raise UserError(
            f"-m: {process().size} processes were started, and a sweep starts its own; run it plainly, "
            "trainer.devices=… starts them for each job"
        )


def require_jobs(launcher: DictConfig) -> None:
    """Raise a UserError where no job would run at a time."""
    if "n_jobs" in launcher and not launcher.n_jobs:
        raise UserError(f"hydra.launcher.n_jobs: {launcher.n_jobs} jobs at a time; say 1 or more, or -1 for every core")


def require_launcher(name: str) -> None:
    """Raise a UserError for a launcher that cannot work here."""
    if name in QUEUED and find_spec("submitit") is None:
        raise UserError(f"hydra/launcher={name}: not installed; what several machines need comes with `make cluster`")
    if name in ("slurm", "submitit_slurm") and shutil.which("srun") is None:
        raise UserError(f"hydra/launcher={name}: no srun here; on one machine say hydra/launcher=local")


def command(config: DictConfig) -> list[str]:
    """Return what a sweep was called with, as far as its jobs follow from it."""
    sweeper = [word for word in config.hydra.overrides.hydra if word.startswith(("hydra/sweeper", "hydra.sweeper"))]
    return [*config.hydra.overrides.task, *sweeper]


def former(config: DictConfig, note: dict[str, Any]) -> Path | None:
    """Return the folder of the newest sweep of the same command, data and code, unless one is given: it goes on."""
    if note["key"] is None or any(word.startswith("hydra.sweep.dir=") for word in config.hydra.overrides.hydra):
        return None
    stage = str(config.hydra.job.name)
    for folder in sorted(Path("runs").glob(f"*/*-{stage}-sweep"), reverse=True):
        if matching(folder, note):
            console.print(f"going on with {folder}; to begin anew, remove it", markup=False)
            return folder
    return None


def matching(folder: Path, note: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a folder says of its sweep where that is the same one."""
    found: dict[str, Any] = read_json(folder / SWEEP) if (folder / SWEEP).exists() else {}
    return found if note.items() <= found.items() else None


def noted(folder: Path, note: dict[str, Any]) -> str | None:
    """Return the parent run of a sweep that goes on."""
    found: str | None = (matching(folder, note) or {}).get("run")
    return found


def check_first(config: DictConfig) -> DictConfig:
    """Compose and check what the sweep's first job would get."""
    overrides = list(config.hydra.overrides.hydra)
    for override in OverridesParser.create().parse_overrides(list(config.hydra.overrides.task)):
        if override.is_sweep_override():
            overrides.append(f"{override.get_key_element()}={next(override.sweep_string_iterator())}")
        else:
            overrides.append(str(override.input_line))
    loader = GlobalHydra.instance().config_loader()
    composed = loader.load_configuration(config.hydra.job.config_name, overrides, RunMode.RUN)
    plain = OmegaConf.masked_copy(composed, [str(name) for name in composed if name != "hydra"])
    typed(plain)
    return plain


def finish() -> bool:
    """After a sweep: end its parent run, print its table and return whether every job ended well."""
    if Sweep.folder is None:
        return True
    whole = bool(Sweep.jobs) and all(ended_well(job) for job in Sweep.jobs)
    if Sweep.parent is not None:
        Sweep.parent.close("FINISHED" if whole else "FAILED")
    show(Sweep.folder, Sweep.jobs)
    Sweep.held.close()
    return whole


def show(folder: Path, jobs: Sequence[Path]) -> None:
    """Print one line for each job, best first; one without an end has failed, one without a result is done."""
    if not jobs:
        return
    found = [result(job) for job in jobs]
    monitor = next((row["monitor"] for row in found if row), "min.result")
    metrics = [row["metrics"] if row else {} if ended_well(job) else None for job, row in zip(jobs, found, strict=True)]
    rows = [(job.name, values, overrides(job)) for job, values in zip(jobs, metrics, strict=True)]
    first = table(folder.name, monitor, rows)
    if not any(found):
        return
    console.print(f"go on from a job: python -m stages.evaluate model=… from={folder / first}")
    console.print(f"keep its values: python -m stages.promote {folder / first}")


def table(title: str, monitor: str, results: Sequence[tuple[str, dict[str, float] | None, str]]) -> str:
    """Print one line for each (name, metrics, values), best first, what failed last; return the best one's name."""
    value = monitor.partition(".")[2]
    results = sorted(results, key=lambda item: (rank(monitor, item[1] or None), item[1] is None))
    known = results[0][1] or {}
    names = [value, *(name for name in known if name != value)]
    title = f"{title}, best by {monitor} first" if known else title
    shown = Table(title=title, title_justify="left")
    for column in ("job", *names, "overrides"):
        shown.add_column(column)
    for name, metrics, values in results:
        state = "failed" if metrics is None else "done"
        cells = [f"{metrics[key]:.5g}" for key in names] if metrics else [state, *[""] * (len(names) - 1)]
        shown.add_row(name, *cells, values)
    console.print(shown)
    return results[0][0]
