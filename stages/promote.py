"""`python -m stages.promote RUN` writes a run's values into conf/, each where it takes effect, and recomposes."""

import argparse
import json
import re
import sys
from ast import literal_eval
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from stages.compose import write_params
from stages.config.composition import Conf, compose_tree
from stages.config.load import GROUPS, SELECTORS, read_params, read_yaml, validate
from stages.config.messages import format_hydra_error
from stages.config.schema import Tree
from stages.config.search_space import expand_search_space
from stages.core.console import console, print_error
from stages.core.errors import UserError
from stages.core.files import read_json, write_text
from stages.core.metrics import monitor_sort_key
from stages.core.mlflow_store import connect, describe_store, explain_failure, project_store_uri, store_uri
from stages.core.redaction import redact_credentials
from stages.core.workspace import CONF, MODEL, PARAMS, PRODUCERS, project_root
from stages.sweeps.job import list_jobs, read_result

Key = tuple[str, ...]  # a path in the tree: a key of `search.space` may hold dots
Values = dict[Key, Any]

CONFIG = CONF / "config.yaml"
_PROFILE = ("profile",)  # the profile's name counts as a value of the tree
_RUNS = "give a run's folder (runs/<date>/<time>-<stage>), a sweep's folder or the id of an MLflow run"


def main() -> None:
    """Promotes one run."""
    parser = argparse.ArgumentParser(prog="python -m stages.promote", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, a sweep's (its best job), or an MLflow run's id")
    try:
        promote(parser.parse_args().run)
    except (UserError, HydraException, yaml.YAMLError, OSError) as error:
        sys.exit(print_error(format_hydra_error(error)))


def promote(run: str) -> None:
    """Writes a run's values into conf/ and params.yaml.

    Raises:
        UserError: A value is wrong, or would not take effect; conf/ and params.yaml stay as they were.
    """
    overrides, recorded = read_run(run)
    values: Values = {}
    for override in _parse(overrides):
        values |= _flatten(override.value(), tuple(override.key_or_group.split(".")))
    values |= recorded
    profile = _read_defaults()["profile"]
    for key in values:
        _locate(key, profile)
    conf = Conf.read(CONF)
    old = _flatten(compose_tree(conf=conf)) | {_PROFILE: profile}
    tree = compose_tree(overrides, conf)
    recorded |= _stop_searches(values, validate(tree))
    new = _flatten(tree) | recorded | {_PROFILE: values.get(_PROFILE, profile)}
    lines = []
    for key, file in write_values(values | recorded, old, new).items():
        change = f"{_format(old.get(key))} → {_format(new.get(key))}"
        lines.append(f"{'.'.join(key)}: {change} in {file.relative_to(CONF.parent)}")
    if lines:
        lines.append(" ".join(["next: dvc repro", *list_targets(_list_changes(old, new), new)]))
    console.print("\n".join(lines) or f"conf/ already says what {run} was made with", markup=False)


def read_run(run: str) -> tuple[list[str], Values]:
    """Reads a run's overrides, and the values that its searches chose or that MLflow recorded.

    Args:
        run: A run's folder, a sweep's (its best job counts), or how the id of an MLflow run begins.
    """
    folder = Path(run)
    if folder.is_dir():
        return _read_folder(find_best_job(folder) if list_jobs(folder) else folder)
    if re.fullmatch("[0-9a-f]{8,32}", run.lower()):
        return [], _read_mlflow_run(run.lower())
    raise UserError(f"{run}: no such folder, nor the id of an MLflow run (8 to 32 hex digits); {_RUNS}")


def find_best_job(sweep: Path) -> Path:
    """Finds the job of a sweep whose monitored metric is best."""
    results = {job: result for job in list_jobs(sweep) if (result := read_result(job))}
    if not results:
        raise UserError(f"{sweep}: none of its jobs has a result to choose by; run the sweep again")
    first = next(iter(results.values()))
    monitor, mode = first["monitor"], first["mode"]
    best = min(results, key=lambda job: monitor_sort_key(monitor, mode, results[job]["metrics"]))
    console.print(f"best by {mode} {monitor}: {best}", markup=False)
    return best


def write_values(values: Values, old: Values, new: Values) -> dict[Key, Path]:
    """Writes values into conf/ and recomposes params.yaml until it says what it should; on any error nothing changes.

    Args:
        values: What may be written.
        old: All values, as conf/ says them.
        new: All values, as they should be.

    Returns:
        The keys of the values that were written, each with its file.
    """
    from stages.config.editing import set_value

    files: dict[Key, Path] = {}
    backups = {Path(PARAMS): Path(PARAMS).read_bytes()}
    current = old
    try:
        while differing := _list_changes(current, new):
            waiting = [key for key in differing if key in values and key not in files]
            # conf/ derives `code` from a name, which may be written just now
            waiting = [key for key in waiting if key[-1] != "code"] or waiting
            if not waiting:
                key = differing[0]
                raise UserError(
                    f"{'.'.join(key)}: would be {_format(current.get(key))} instead of {_format(new.get(key))}, since "
                    "files of conf/ override or share one another; edit conf/ by hand"
                )
            for key in waiting:
                file, path = _locate(key, new[_PROFILE])
                content = file.read_bytes()
                backups.setdefault(file, content)
                write_text(file, set_value(content.decode(), path, values[key], str(file)))
                files[key] = file
            write_params([])
            current = _flatten(read_params()) | {_PROFILE: _read_defaults()["profile"]}
    except BaseException:
        for file, content in backups.items():
            write_text(file, content.decode())
        raise
    return files


def list_targets(keys: Collection[Key], values: Values) -> list[str]:
    """Lists DVC's targets of the models that changed keys concern; none where that is every model, or no model."""
    datasets = {key[1]: value for key, value in values.items() if (key[0], key[2:]) == ("models", ("dataset",))}
    parts = {key[:2] for key in keys}
    names = [name for name, dataset in datasets.items() if parts & {("models", name), ("datasets", dataset)}]
    return [f"{stage}@{name}" for name in names for stage in ("evaluate", "package") if len(names) < len(datasets)]


def _read_folder(folder: Path) -> tuple[list[str], Values]:
    files = {file.parent.name: file for file in folder.glob(".hydra/*/overrides.yaml")}
    overrides: dict[str, str] = {}
    for stage in reversed([stage for stage in PRODUCERS.values() if stage in files]):  # the earlier stage counts
        words = yaml.safe_load(files[stage].read_text(encoding="utf-8"))
        overrides |= {override.key_or_group: str(override.input_line) for override in _parse(words)}
    winners: Values = {}
    for file in folder.glob(MODEL.format("*/model.json")):
        winner = read_json(file)["trained"].get("search", {}).get("winner", {})
        model = ("models", file.parent.name)
        for key, value in winner.items():
            winners |= _flatten(value, (*model, "train", *key.split(".")))
            winners[*model, "search", "strategy"] = "none"
    if not files and not winners:
        raise UserError(f"{folder}: not a run, it holds no .hydra/<stage>/overrides.yaml; {_RUNS}")
    # With ++ an override also holds where conf/ has got its key meanwhile.
    return [word if key == "profile" else f"++{word.lstrip('+')}" for key, word in overrides.items()], winners


def _parse(words: list[str]) -> Iterator[Override]:
    """Parses overrides. Yields those of values; the others say what to run."""
    for override in OverridesParser.create().parse_overrides(words):
        key = override.key_or_group
        if key in (*SELECTORS, "sweep") or re.match(r"hydra\b", key):
            continue
        if override.is_delete():
            raise UserError(f"{override.input_line}: a deletion is no value to write; edit conf/ by hand")
        if override.package or ((CONF / key).is_dir() and key != "profile"):
            _require_chosen(key, "@".join(filter(None, (key, override.package))), str(override.value()))
        else:
            yield override


def _read_mlflow_run(prefix: str) -> Values:
    where = f"MLflow ({describe_store()})"
    if store_uri() == project_store_uri() and not (project_root() / "mlflow.db").exists():
        raise UserError(f"{prefix}: {where} has recorded nothing yet; {_RUNS}")
    try:
        client = connect()
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, f"attributes.run_id LIKE '{prefix}%'", max_results=2)
    except Exception as error:  # a store that is down, locked or full raises anything
        reason = redact_credentials(explain_failure(error))
        raise UserError(f"{prefix}: {where} does not answer: {reason}; {_RUNS}") from error
    if len(runs) != 1:
        raise UserError(f"{prefix}: {'more than one' if runs else 'no'} run's id in {where} begins so; {_RUNS}")
    params: Values = {tuple(key.split(".")): value for key, value in runs[0].data.params.items()}
    params = {key: value for key, value in params.items() if key[0] == "models"}
    if not params:
        raise UserError(f"{prefix}: that run has no parameters models.…; give the id of a training")
    for key, text in params.items():
        with suppress(ValueError, SyntaxError):
            params[key] = literal_eval(text)  # MLflow keeps str(value)
    return params


def _stop_searches(values: Values, tree: Tree) -> Values:
    """Switches off the searches that would choose these values anew."""
    stopped: Values = {}
    for name, model in tree.models.items():
        space = expand_search_space(model.search, model.train) if model.search.strategy != "none" else {}
        if any(("models", name, "train", *key.split(".")) in values for key in space):
            stopped["models", name, "search", "strategy"] = "none"
    return stopped


def _locate(key: Key, profile: str) -> tuple[Path, tuple[str | int, ...]]:
    """Finds the file in which a value takes effect, and its path in there."""
    overrides = CONF / "profile" / f"{profile}.yaml"
    if overrides.exists() and key in _flatten(read_yaml(overrides)):
        return overrides, key
    if key == _PROFILE:
        index = read_yaml(CONFIG)["defaults"].index({"profile": _read_defaults()["profile"]})
        return CONFIG, ("defaults", index, "profile")
    defaults, group, entry, path = _read_defaults(), key[0], key[0], key[1:]
    if group in GROUPS.values():
        entry, path = f"{group}@{group}.{key[1]}", key[2:]
        _require_chosen(group, entry, defaults.get(entry, key[1]))
    return (CONF / group / f"{defaults[entry]}.yaml", path) if entry in defaults else (CONFIG, key)


def _require_chosen(group: str, entry: str, name: str) -> None:
    """Checks that conf/config.yaml chooses a file of a group."""
    if _read_defaults().get(entry) != name:
        file = "" if (CONF / group / f"{name}.yaml").exists() else f"put {name}.yaml into conf/{group}/ and "
        mend = f"{file}set `- {entry}: {name}` in the defaults list of conf/config.yaml"
        raise UserError(f"{entry}: conf/ does not choose {name}, with which the run was made; {mend} and promote again")


def _read_defaults() -> dict[str, str]:
    """Reads what the defaults list of conf/config.yaml chooses: group@package → name."""
    items = [item for item in read_yaml(CONFIG)["defaults"] if isinstance(item, dict)]
    return {str(entry): str(name) for item in items for entry, name in item.items()}


def _flatten(node: Any, key: Key = ()) -> Values:
    """Maps the key of every leaf to its value."""
    if not isinstance(node, dict):
        return {key: node}
    return {path: value for name, inner in node.items() for path, value in _flatten(inner, (*key, str(name))).items()}


def _list_changes(old: Values, new: Values) -> list[Key]:
    """Lists the keys whose values differ, or that only one of them has."""
    return [key for key in old | new if key not in old or key not in new or old[key] != new[key]]


def _format(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
