"""`python -m stages.promote RUN` writes a run's values into conf/, each where it takes effect, and recomposes."""

import argparse
import re
import shutil
import sys
from ast import literal_eval
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.compose import PARAMS, write
from stages.config import CONF, SELECTORS, complaint, explain, project, typed
from stages.console import console
from stages.edit import put, spelled
from stages.errors import UserError, refusal
from stages.files import read_json, write_text
from stages.monitor import rank
from stages.place import MAKERS, MODEL
from stages.recorder import client, own_store, reason, store_uri
from stages.schema import Tree
from stages.secrets import without_login
from stages.space import searched
from stages.sweeps.swept import jobs, result

Key = tuple[str, ...]  # a path in the tree: a key of `search.space` may hold dots
Values = dict[Key, Any]
CONFIG = CONF / "config.yaml"
RUNS = "give a run's folder (runs/<date>/<time>-<stage>), a sweep's folder or the id of an MLflow run"


def main() -> None:
    """Promote one run."""
    parser = argparse.ArgumentParser(prog="python -m stages.promote", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, a sweep's (its best job), or an MLflow run's id")
    try:
        promote(parser.parse_args().run)
    except OmegaConfBaseException as error:
        sys.exit(refusal(explain(error)))
    except (UserError, HydraException, yaml.YAMLError, OSError) as error:
        sys.exit(refusal(complaint(error)))


def promote(run: str) -> None:
    """Write a run's values into conf/ and params.yaml; on any error leave both as they were."""
    values = of_run(run)
    was = defaults()["profile"]
    profile = values.pop(("profile",), was)
    base = composed(CONF, profile)
    values = searches_off(values, typed(base)) | values
    target = base.copy()
    for key, value in values.items():
        home(key)
        OmegaConf.update(target, "".join(f"[{name}]" for name in key), value, merge=False, force_add=True)
    tree, new, old = typed(target), leaves(target), leaves(base if profile == was else composed(CONF))
    places = placed(values, profile, base, new)
    lines = [f"profile: {was} → {profile} in conf/config.yaml"] if profile != was else []
    for key, file in places.items():
        change = f"{'.'.join(key)}: {spelled(old.get(key))} → {spelled(values[key])}"
        lines.append(f"{change} in {file.relative_to(CONF.parent)}")
    if lines:
        replace(edited(places, values, profile), new)
        lines.append(" ".join(["next: dvc repro", *targets(changed(old, new), tree)]))
    console.print("\n".join(lines) or f"conf/ already says what {run} was made with", markup=False)


def searches_off(values: Values, tree: Tree) -> Values:
    """Return what switches off the searches that would choose these values anew."""
    found: Values = {}
    for name, model in tree.models.items():
        space = searched(model.search, model.train) if model.search.strategy != "none" else {}
        if any(("models", name, "train", *key.split(".")) in values for key in space):
            found["models", name, "search", "strategy"] = "none"
    return found


def of_run(run: str) -> Values:
    """Return what a run was made with."""
    folder = Path(run)
    if folder.is_dir():
        return of_folder(best(folder) if jobs(folder) else folder)
    if re.fullmatch("[0-9a-f]{8,32}", run.lower()):
        return of_mlflow(run.lower())
    raise UserError(f"{run}: no such folder, nor the id of an MLflow run (8 to 32 hex digits); {RUNS}")


def best(sweep: Path) -> Path:
    """Return the job of a sweep with the best result; not a number is the worst."""
    results = {job: kept for job in jobs(sweep) if (kept := result(job))}
    if not results:
        raise UserError(f"{sweep}: none of its jobs has a result to choose by; run the sweep again")
    monitor = next(iter(results.values()))["monitor"]
    found = min(results, key=lambda job: rank(monitor, results[job]["metrics"]))
    console.print(f"best by {monitor}: {found}", markup=False)
    return found


def of_folder(folder: Path) -> Values:
    """Return a run's overrides and what its searches found; where stages differ, the earlier one made the run."""
    files = {file.parent.name: file for file in folder.glob(".hydra/*/overrides.yaml")}
    values: Values = {}
    for stage in reversed([stage for stage in MAKERS.values() if stage in files]):
        values |= of_overrides(yaml.safe_load(files[stage].read_text(encoding="utf-8")))
    for file in folder.glob(MODEL.format("*/model.json")):
        winner = read_json(file)["trained"].get("search", {}).get("winner", {})
        model = ("models", file.parent.name)
        values |= {(*model, "train", *key.split(".")): value for key, value in winner.items()}
        values |= {(*model, "search", "strategy"): "none"} if winner else {}
    if not files and not values:
        raise UserError(f"{folder}: not a run, it holds no .hydra/<stage>/overrides.yaml; {RUNS}")
    return values


def of_overrides(words: list[str]) -> Values:
    """Return the values among a run's overrides; those that only say what to run are left out."""
    values: Values = {}
    for override in OverridesParser.create().parse_overrides(words):
        key = override.key_or_group
        if key in (*SELECTORS, "sweep") or re.match(r"hydra\b", key):
            continue
        if override.is_delete():
            raise UserError(f"{override.input_line}: a deletion is no value to write; edit conf/ by hand")
        if override.package or ((CONF / key).is_dir() and key != "profile"):
            check_chosen(key, "@".join(filter(None, (key, override.package))), str(override.value()))
        else:
            values |= flat(override.value(), tuple(key.split(".")))
    return values


def check_chosen(group: str, entry: str, name: str) -> None:
    """Raise a UserError unless conf/config.yaml chooses this file of a group."""
    if defaults().get(entry) != name:
        file = "" if (CONF / group / f"{name}.yaml").exists() else f"put {name}.yaml into conf/{group}/, "
        mend = f"{file}let the defaults list of conf/config.yaml say `- {entry}: {name}`"
        raise UserError(f"{entry}: conf/ does not choose {name}, with which the run was made; {mend} and promote again")


def of_mlflow(prefix: str) -> Values:
    """Return the parameters of an MLflow run that conf/ does not say."""
    where = f"MLflow ({without_login(store_uri())})"
    if store_uri() == own_store() and not (project() / "mlflow.db").exists():
        raise UserError(f"{prefix}: {where} has recorded nothing yet; {RUNS}")
    try:
        experiments = [item.experiment_id for item in client().search_experiments()]
        found = client().search_runs(experiments, f"attributes.run_id LIKE '{prefix}%'", max_results=2)
    except Exception as error:  # a store that is down, locked or full raises anything
        raise UserError(f"{prefix}: {where} does not answer: {without_login(reason(error))}; {RUNS}") from error
    if len(found) != 1:
        raise UserError(f"{prefix}: {'more than one' if found else 'no'} run's id in {where} begins so; {RUNS}")
    params = {tuple(key.split(".")): text for key, text in found[0].data.params.items() if key.startswith("models.")}
    if not params:
        raise UserError(f"{prefix}: that run has no parameters models.…; give the id of a training")
    now = leaves(composed(CONF))
    return {key: said(text) for key, text in params.items() if text != str(now.get(key)) and said(text) != now.get(key)}


def said(text: str) -> Any:
    """Return the value of which MLflow keeps `str(value)`."""
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def composed(conf: Path, profile: str | None = None) -> Any:
    """Compose conf/ or a copy of it, interpolations unresolved."""
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose("config", overrides=[f"profile={profile}"] if profile else [])


def leaves(tree: Any) -> Values:
    """Return the value of every leaf, interpolations resolved."""
    return flat(OmegaConf.to_container(tree, resolve=True))


def flat(node: Any, key: Key = ()) -> Values:
    """Return the value of every leaf below a key."""
    if not isinstance(node, dict):
        return {key: node}
    return {path: value for name, inner in node.items() for path, value in flat(inner, (*key, str(name))).items()}


def changed(old: Values, new: Values) -> list[Key]:
    """Return the keys whose values differ, or that only one of them has."""
    return [key for key in {**old, **new} if key not in old or key not in new or old[key] != new[key]]


def defaults() -> dict[str, str]:
    """Return what the defaults list of conf/config.yaml chooses: group@package → name."""
    items = yaml.safe_load(CONFIG.read_bytes().decode())["defaults"]
    return {str(entry): str(name) for item in items if isinstance(item, dict) for entry, name in item.items()}


def home(key: Key) -> tuple[Path, Key]:
    """Return the file that a key belongs to, and its path in there."""
    chosen, kind, entry, path = defaults(), key[0], key[0], key[1:]
    if kind in ("models", "datasets"):
        entry, path = f"{kind}@{kind}.{key[1]}", key[2:]
        check_chosen(kind, entry, chosen.get(entry, key[1]))
    return (CONF / kind / f"{chosen[entry]}.yaml", path) if entry in chosen else (CONFIG, key)


def placed(values: Values, profile: str, base: Any, target: Values) -> dict[Key, Path]:
    """Return the file to write each value into: its own, or the profile's where that overrides it."""
    left = {key: [home(key)[0], CONF / "profile" / f"{profile}.yaml"] for key in values}
    raw, tree = flat(OmegaConf.to_container(base)), leaves(base)
    places: dict[Key, Path] = {}
    while wrong := changed(tree, target):
        own = [key for key in wrong if key in values]  # those that conf/ interpolates wait: the others may bring them
        for key in [key for key in own if "${" not in str(raw.get(key))] or own or wrong:
            if not left.get(key):
                raise UserError(f"{'.'.join(key)}: another file of conf/ says otherwise; edit conf/ by hand")
            places[key] = left[key].pop(0)
        tree = tried(edited(places, values, profile))
    return places


def edited(places: dict[Key, Path], values: Values, profile: str) -> dict[Path, str]:
    """Return the new texts of the files that change."""
    texts: dict[Path, str] = {}
    if profile != defaults()["profile"]:
        texts[CONFIG] = re.sub(r"(?m)^(\s*-\s+profile:\s*)[^\s#]+", rf"\g<1>{profile}", CONFIG.read_bytes().decode())
    for key, file in places.items():
        own, path = home(key)
        texts[file] = put(texts.get(file) or file.read_bytes().decode(), path if file == own else key, values[key])
    return texts


def tried(texts: dict[Path, str]) -> Values:
    """Compose a copy of conf/ in which these files are replaced."""
    with TemporaryDirectory() as scratch:
        conf = shutil.copytree(CONF, Path(scratch) / "conf")
        for file, text in texts.items():
            write_text(conf / file.relative_to(CONF), text)
        return leaves(composed(conf))


def replace(texts: dict[Path, str], target: Values) -> None:
    """Replace files of conf/ and recompose; whatever goes wrong, every file is as before."""
    kept = {file: file.read_bytes().decode() for file in (*texts, PARAMS)}
    try:
        for file, text in texts.items():
            write_text(file, text)
        write([])
        if changed(leaves(OmegaConf.load(PARAMS)), target):
            raise UserError(f"{PARAMS}: not the run's values, since conf/ changed meanwhile; promote it again")
    except BaseException:
        for file, text in kept.items():
            write_text(file, text)
        raise


def targets(keys: list[Key], tree: Tree) -> list[str]:
    """Return the models to make anew, as DVC's targets; nothing where that is all of them, or none."""
    parts = {key[:2] for key in keys}
    names = [name for name, model in tree.models.items() if parts & {("models", name), ("datasets", model.dataset)}]
    return [f"{stage}@{name}" for name in names for stage in ("evaluate", "package") if len(names) < len(tree.models)]


if __name__ == "__main__":
    main()
