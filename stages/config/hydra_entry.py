"""A person's command: Hydra parses and composes, then the stage runs once, or once for each job of a sweep."""

import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.config.command import FOR_DVC, StageCommand
from stages.config.composition import (
    PRIMARY,
    Conf,
    choose_entries,
    compose,
    list_selected,
    prune,
    store_primary,
    to_plain,
    unquote,
)
from stages.config.load import GROUPS, validate
from stages.config.messages import format_hydra_error, format_omegaconf_error
from stages.config.validation import Names
from stages.core.console import console, print_error
from stages.core.context import StageContext, StageResult
from stages.core.distributed import read_dist_env, wait_for_main_error
from stages.core.errors import UserError, require_known, translate_disk_errors
from stages.core.files import write_json
from stages.core.system import CONCURRENT_JOBS, cpu_count
from stages.core.workspace import CONF, Workspace, project_root, read_source
from stages.sweeps.job import RESULT, SweepJob
from stages.sweeps.sweep import list_varied, open_sweep

_MULTIRUN = {"-m", "--multirun"}
_HELP = {"-h", "--help"}
_HYDRA_ONLY = {"--hydra-help", "--version", "--shell-completion", "-sc", "--info", "-i", "--cfg", "-c"}
_HELP_TEXT = """{doc}

  python -m {module} {selector}[KEY=VALUE …]    run it; its folder is runs/<date>/<time>-{stage}/
  python -m {module} {selector}KEY=A,B … -m     run every combination
  {names}
Every KEY, and its value now{hint}:

{config}"""


def run_for_person(command: StageCommand, words: list[str]) -> bool:
    """Runs a command line: once, or a sweep.

    Returns:
        Whether every job succeeded.

    Raises:
        UserError: The command line, or a value of the config, is wrong.
    """
    if {"--config-name", "-cn", "--config-path", "-cp"} & set(words):
        raise UserError(
            f"the config is conf/config.yaml; only DVC begins with {' '.join(FOR_DVC)}; --config-dir FOLDER adds files"
        )
    overrides = [word for word in words if not word.startswith("-") and ("=" in word or word[0] in "~+")]
    conf = Conf.read(CONF, words)
    chosen = choose_entries(conf, overrides, command.select)
    flags = set(words)
    if flags & _HELP:
        _print_help(command, conf, overrides, chosen)
        return True
    if command.select and not list_selected(conf, overrides, command.select):
        if not flags & _HYDRA_ONLY:
            known = ", ".join(conf.files[GROUPS[command.select]])
            raise UserError(f"{command.select}: not chosen; set {command.select}=… with one of {known}")
        chosen = choose_entries(conf, overrides, None)
    primary = _complete_primary(command, conf, chosen, overrides)
    if flags & _MULTIRUN and not flags & _HYDRA_ONLY:
        return _run_sweep(command, conf, overrides, chosen, primary)
    if not flags & _HYDRA_ONLY:  # before Hydra makes a folder for the run
        _build_context(command, compose(overrides, chosen, conf, primary), overrides, project_root())
    store_primary(primary)
    if not read_dist_env().is_main:  # rank 0 alone has a run folder
        _add_overrides(overrides, "hydra.run.dir=.", "hydra.output_subdir=null")
    _start_hydra(command)
    return True


def run_job(command: StageCommand, config: DictConfig) -> float | None:
    """Runs a stage's task with a config that Hydra composed, alone or as a job of a sweep.

    Returns:
        The monitored metric, which an optimizer gets to see.
    """
    settings = HydraConfig.get()
    folder, overrides = Path(settings.runtime.output_dir), list(settings.overrides.task)
    if settings.mode == RunMode.MULTIRUN:
        return _run_sweep_job(command, config, overrides, folder)
    try:
        context = _build_context(command, config, overrides, folder)
        context.workspace.require_writable(command.stage, context.name)
        with translate_disk_errors(project_root()):
            result = command.task(context)
    except UserError as error:  # Hydra would print its own words beside
        wait_for_main_error()
        raise SystemExit(print_error(error)) from None
    if result is not None and read_dist_env().is_main:
        write_json(folder / RESULT, asdict(result))
    return result.value if result else None


def _run_sweep_job(command: StageCommand, config: DictConfig, overrides: list[str], folder: Path) -> float | None:
    def run_task() -> StageResult | None:
        with translate_disk_errors(project_root()):
            context.workspace.save_source()
            return command.task(context)

    def raise_mistake() -> None:
        raise UserError(mistake)

    try:
        context = _build_context(command, config, overrides, folder, in_sweep=True)
    except UserError as error:
        mistake = str(error)
        return SweepJob(folder, overrides, None).run(raise_mistake)
    context = replace(context, overrides=tuple(list_varied(folder.parent, overrides)))
    return SweepJob(folder, overrides, command.hash_inputs(context)).run(run_task)


def _run_sweep(command: StageCommand, conf: Conf, overrides: list[str], chosen: Names, primary: dict[str, Any]) -> bool:
    if read_dist_env().world_size > 1:
        raise UserError(
            f"-m: {read_dist_env().world_size} processes were started, and a sweep starts its own; run it without "
            "torchrun or srun, trainer.devices=… starts processes for each job"
        )
    # Hydra would start the first job before it finds a mistake in its config: so that is composed and checked here.
    first, num_jobs = _expand_first_job(overrides, conf)
    config = compose(first, chosen, conf, primary)
    settings = config.hydra
    _check_launcher(settings)
    context = _build_context(command, config, first, project_root())
    is_grid = str(settings.sweeper._target_).endswith("BasicSweeper")  # an optimizer decides itself how many
    jobs = num_jobs if is_grid else None
    os.environ[CONCURRENT_JOBS] = str(_count_concurrent_jobs(settings, jobs))
    name, folder = context.name or command.stage, Path(str(settings.sweep.dir))
    with open_sweep(command.stage, name, overrides, command.hash_inputs(context), folder, jobs) as sweep:
        _add_overrides(overrides, f'hydra.sweep.dir="{sweep.folder}"')
        sweep.run(lambda: _start_hydra(command))
    return sweep.succeeded


def _add_overrides(overrides: Sequence[str], *added: str) -> None:
    """Adds overrides to the command line behind its own: Hydra takes them in one row only, without flags between."""
    end = sys.argv.index(overrides[-1], 1) + 1 if overrides else len(sys.argv)
    sys.argv[end:end] = added


def _start_hydra(command: StageCommand) -> None:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us as exceptions, not as Hydra's own words
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=PRIMARY)(command.run_job)()
    except HydraException as error:
        raise UserError(format_hydra_error(error)) from error
    except OmegaConfBaseException as error:
        raise UserError(format_omegaconf_error(error)) from error


def _build_context(
    command: StageCommand, config: DictConfig, overrides: Sequence[str], folder: Path, in_sweep: bool = False
) -> StageContext:
    """Checks a composed config; nothing has run before this."""
    conf = Conf.read(CONF, [*overrides, *_config_dir_flag()])
    values = to_plain(prune(config, choose_entries(conf, overrides, command.select), conf.names))
    tree = validate(values, conf.names)
    name = ""
    if command.select:
        name = require_known(command.select, str(values[command.select]), conf.files[GROUPS[command.select]])
    source = Path(values["from"]).resolve() if values["from"] else None
    if in_sweep:  # the jobs must not write into the folder that they all go on from
        workspace = Workspace(folder.resolve(), project_root(), source)
    else:
        root = source or folder.resolve()
        workspace = Workspace(root, project_root(), read_source(root))
    return StageContext(command.stage, tree, name, workspace, tuple(overrides))


def _config_dir_flag() -> list[str]:
    """The flag that Hydra was called with, from its own record: a launcher's process has another command line."""
    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    return [word for source in sources if source.provider == "command-line" for word in ("--config-dir", source.path)]


def _complete_primary(command: StageCommand, conf: Conf, chosen: Names, overrides: Sequence[str]) -> dict[str, Any]:
    """Adds to config.yaml's content what depends on the command: job name and run folder."""
    primary = conf.filter(chosen)
    settings = {**primary["hydra"], "job": {"name": command.stage}}
    source = next((unquote(word.partition("=")[2]) for word in overrides if word.startswith("from=")), "null")
    if source not in ("", "null"):
        if not Path(source).is_dir():
            raise UserError(f"from: no folder {source}; give a run's folder: runs/<date>/<time>-<stage>")
        settings["run"] = {"dir": source}
    return {**primary, "hydra": settings}


def _print_help(command: StageCommand, conf: Conf, overrides: Sequence[str], chosen: Names) -> None:
    """Prints what the stage does, what it works on, and every key; Hydra's own help lists its plugins for a second."""
    module, select = command.module.removesuffix(".__main__"), command.select
    names = f"{select} is one of {', '.join(conf.files[GROUPS[select]])}\n" if select else ""
    hint = f" (with {select}=NAME those of {GROUPS[select]}.NAME too)" if select and not chosen[GROUPS[select]] else ""
    doc, selector = (command.task.__doc__ or "").strip(), f"{select}=NAME " if select else ""
    config = OmegaConf.to_yaml(compose(overrides, chosen, conf))
    text = _HELP_TEXT.format(
        doc=doc, module=module, stage=command.stage, selector=selector, names=names, hint=hint, config=config
    )
    console.print(text, markup=False)


def _expand_first_job(overrides: Sequence[str], conf: Conf) -> tuple[list[str], int]:
    """Takes the first value of every list that a sweep goes through, and counts the combinations.

    Raises:
        UserError: Hydra cannot read an override, or a value names no file of its group.
    """
    first, counts = [], []
    try:
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            if not override.is_sweep_override():
                first.append(str(override.input_line))
                continue
            value: Any = override.value()
            is_interval = override.is_interval_sweep()  # an optimizer draws from it
            values = [value.start] if is_interval else list(override.sweep_string_iterator())
            group = override.key_or_group
            if (conf.folder / group).is_dir() and not is_interval:
                known = sorted(file.stem for file in (conf.folder / group).glob("*.yaml"))
                values = [
                    value if conf.find_file(group, value) else require_known(group, value, known) for value in values
                ]
            first.append(f"{override.get_key_element()}={values[0]}")
            counts.append(len(values))
    except HydraException as error:
        raise UserError(format_hydra_error(error)) from error
    return first, math.prod(counts)


def _check_launcher(settings: DictConfig) -> None:
    """Checks that a sweep's launcher can work here."""
    name = str(settings.runtime.choices.get("hydra/launcher"))
    if name.endswith("slurm") and shutil.which("srun") is None:
        raise UserError(f"hydra/launcher={name}: no srun here; on one machine set hydra/launcher=joblib")
    if name.endswith(("slurm", "submitit_local")) and find_spec("submitit") is None:
        raise UserError(f"hydra/launcher={name}: not installed; `make cluster` installs what several machines need")
    if "n_jobs" in settings.launcher and not settings.launcher.n_jobs:
        raise UserError(
            f"hydra.launcher.n_jobs: {settings.launcher.n_jobs} jobs at a time; set 1 or more, or -1 for every core"
        )


def _count_concurrent_jobs(settings: DictConfig, num_jobs: int | None) -> int:
    """Counts the jobs that share this machine at a time. On SLURM each has cores of its own."""
    limit = num_jobs or int(settings.sweeper.get("n_jobs", 1))
    if settings.runtime.choices.get("hydra/launcher") == "submitit_local":
        return limit
    workers = int(settings.launcher.get("n_jobs", 1))
    return max(1, min(cpu_count() if workers < 0 else workers, limit))
