"""A Hydra multirun: one parent run in MLflow, and at the end a table sorted by what was monitored."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from stages.config import complaint, typed
from stages.console import console
from stages.errors import UserError, refusal
from stages.files import read_json, write_json
from stages.lock import alone
from stages.monitor import rank
from stages.swept import jobs, overrides, result

SWEEP = "sweep.json"  # what a sweep was called with, what its first job follows from, its run in MLflow
QUEUED = ("local", "slurm", "submitit_local", "submitit_slurm")
STURDY = {  # the launchers of Hydra and its plugins, and the ones that run jobs by them
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": "hydra_plugins.bestiary.InTurn",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher": "hydra_plugins.bestiary.Joblib",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher": "hydra_plugins.bestiary.Local",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher": "hydra_plugins.bestiary.Slurm",
}


class Sweep(Callback):
    """Opens the parent run before the first job; the door prints the table, whatever became of the jobs."""

    folder: Path | None = None
    parent: Any = None
    key: Callable[[DictConfig], str | None] | None = None  # the door's, which this process came through
    held = ExitStack()

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check the first job's config, so that a typo leaves nothing behind, then open the parent run."""
        try:
            require_launcher(str(config.hydra.runtime.choices.get("hydra/launcher")))
            first = check_first(config)
            key = Sweep.key(first) if Sweep.key else None
        except UserError as error:  # Hydra swallows what a callback raises, SystemExit apart
            raise SystemExit(refusal(error)) from None
        except HydraException as error:
            raise SystemExit(refusal(complaint(error))) from None
        note = {"command": command(config), "key": key}
        Sweep.folder = former(config, note) or Path(str(config.hydra.sweep.dir))
        config.hydra.sweep.dir = str(Sweep.folder)
        config.hydra.launcher._target_ = STURDY.get(config.hydra.launcher._target_, config.hydra.launcher._target_)
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={Sweep.folder}")
        Sweep.held.enter_context(alone(Sweep.folder, "running this sweep"))
        from stages.tracking import PARENT, Run

        run = Run()
        name, tags = str(first.get("model") or first.get("dataset")), {"sweep": " ".join(config.hydra.overrides.task)}
        run.open(name, Sweep.folder.name, tags, noted(Sweep.folder))
        write_json(Sweep.folder / SWEEP, note | {"run": run.id})
        if run.id is not None:
            os.environ[PARENT] = run.id
        Sweep.parent = run


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
    """Return the folder of the newest sweep of the same command, data and code: this one goes on in it."""
    if note["key"] is None:
        return None
    stage = str(config.hydra.job.name)
    for folder in sorted(Path("runs").glob(f"*/*-{stage}-sweep"), reverse=True):
        if (folder / SWEEP).exists() and note.items() <= read_json(folder / SWEEP).items():
            console.print(f"going on with {folder}; to begin anew, remove it", markup=False)
            return folder
    return None


def noted(folder: Path) -> str | None:
    """Return the parent run of a sweep that goes on."""
    found: str | None = read_json(folder / SWEEP)["run"] if (folder / SWEEP).exists() else None
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
    """After a sweep: end its parent run, print its table and return whether every job has a result."""
    if Sweep.folder is None:
        return True
    found = jobs(Sweep.folder)
    whole = bool(found) and all(result(job) for job in found)
    if Sweep.parent is not None:
        Sweep.parent.close("FINISHED" if whole else "FAILED")
    show(Sweep.folder)
    Sweep.held.close()
    return whole


def show(folder: Path) -> None:
    """Print one line for each job, best first; a job without a result has failed."""
    found = [(job, result(job)) for job in jobs(folder)]
    if not found:
        return
    best: dict[str, Any] = next((row for _, row in found if row), {"monitor": "min.value", "metrics": {}})
    results = [(job.name, row["metrics"] if row else None, overrides(job)) for job, row in found]
    first = table(folder.name, best["monitor"], results)
    if not any(row for _, row in found):
        return
    console.print(f"go on from a job: python -m stages.evaluate model=… from={folder / first}")
    console.print(f"keep its values: python -m stages.promote {folder / first}")


def table(title: str, monitor: str, results: Sequence[tuple[str, dict[str, float] | None, str]]) -> str:
    """Print one line for each (name, metrics, values), best first, what failed last; return the best one's name."""
    value = monitor.partition(".")[2]
    results = sorted(results, key=lambda item: rank(monitor, item[1]))
    known = results[0][1] or {}
    names = [value, *(name for name in known if name != value)]
    shown = Table(title=f"{title}, best by {monitor} first", title_justify="left")
    for column in ("job", *names, "overrides"):
        shown.add_column(column)
    for name, metrics, values in results:
        cells = [f"{metrics[key]:.5g}" for key in names] if metrics else ["failed", *[""] * (len(names) - 1)]
        shown.add_row(name, *cells, values)
    console.print(shown)
    return results[0][0]
