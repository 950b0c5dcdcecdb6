"""A Hydra multirun: one parent run in MLflow, and at the end a table sorted by what was monitored."""

import os
from collections.abc import Sequence
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
from stages.files import read_json
from stages.monitor import rank

RESULT = "result.json"


class Sweep(Callback):
    """Opens the parent run before the first job; the door prints the table, whatever became of the jobs."""

    folder: Path | None = None
    parent: Any = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check the first job's config, so that a typo leaves nothing behind, then open the parent run."""
        try:
            first = check_first(config)
        except UserError as error:  # Hydra swallows what a callback raises, SystemExit apart
            raise SystemExit(refusal(error)) from None
        except HydraException as error:
            raise SystemExit(refusal(complaint(error))) from None
        Sweep.folder = Path(str(config.hydra.sweep.dir))
        from stages.tracking import PARENT, Run

        run = Run()
        overrides = " ".join(config.hydra.overrides.task)
        run.open(str(first.get("model") or first.get("dataset")), Sweep.folder.name, {"sweep": overrides})
        if run.id is not None:
            os.environ[PARENT] = run.id
        Sweep.parent = run


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


def finish() -> None:
    """After a sweep: end its parent run and print its table."""
    if Sweep.folder is None:
        return
    if Sweep.parent is not None:
        whole = all((job / RESULT).exists() for job in jobs(Sweep.folder))
        Sweep.parent.close("FINISHED" if whole and jobs(Sweep.folder) else "FAILED")
    show(Sweep.folder)


def jobs(folder: Path) -> list[Path]:
    """Return the folders of a sweep's jobs, in order."""
    known = folder.iterdir() if folder.exists() else ()
    return sorted((path for path in known if path.name.isdigit()), key=lambda path: int(path.name))


def show(folder: Path) -> None:
    """Print one line for each job, best first; a job without a result has failed."""
    found = [(job, read_json(job / RESULT) if (job / RESULT).exists() else None) for job in jobs(folder)]
    if not found:
        return
    best: dict[str, Any] = next((result for _, result in found if result), {"monitor": "min.value", "metrics": {}})
    results = [(job.name, result["metrics"] if result else None, overrides(job)) for job, result in found]
    first = table(folder.name, best["monitor"], results)
    if not any(result for _, result in found):
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


def overrides(job: Path) -> str:
    """Return what a job was called with."""
    files = list((job / ".hydra").glob("*/overrides.yaml"))
    return " ".join(OmegaConf.load(files[0])) if files else ""
