"""Composing conf/ with Hydra, whole or in part.

A person's command composes only what it works on: its model, that model's dataset, and the shared groups. Only
`compose_tree` composes everything, a few models at a time. So starting does not grow with the project.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.config.load import GROUPS, read_yaml
from stages.config.messages import format_hydra_error, format_omegaconf_error, format_yaml_error, unknown_key
from stages.config.validation import Names
from stages.core.errors import UserError, require_known
from stages.core.workspace import CONF

PRIMARY = "selected"  # the name under which Hydra finds a filtered conf/config.yaml
CHUNK = 6  # models composed at once: merging into a growing tree takes quadratic time

_GROUP_KEY = re.compile(r"[~+]*(?:[\w/]+@)?(datasets|models|indexes)\.([^.@=\[]+)")
_ADDED = re.compile(r"\+(datasets|models|indexes)@\1\.([^.=]+)=(.+)")
_REFERENCE = re.compile(r"\$\{(datasets|models|indexes)\.(\w+)")


@dataclass(frozen=True)
class Conf:
    """conf/config.yaml, as far as choosing parts of it needs."""

    folder: Path
    primary: dict[str, Any]
    files: dict[str, dict[str, str]]
    """Group → name → file: "models" → "vgg19" → "vgg19"."""
    extra_folder: Path | None = None
    """Hydra's --config-dir: a user's own config files."""

    @classmethod
    def read(cls, folder: Path = CONF, words: Sequence[str] = ()) -> "Conf":
        """Reads which datasets, models and indexes there are.

        Args:
            folder: The config folder, which lists them in config.yaml.
            words: A command line, which may add more: --config-dir FOLDER +models@models.mini=mini.
        """
        primary = read_yaml(folder / "config.yaml")
        files: dict[str, dict[str, str]] = {group: {} for group in GROUPS.values()}
        for entry in primary["defaults"]:
            key, file = next(iter(entry.items())) if isinstance(entry, dict) else (entry, "")
            group, at, package = key.partition("@")
            if at and group in files:
                files[group][package.removeprefix(f"{group}.")] = str(file)
        for match in filter(None, map(_ADDED.fullmatch, words)):
            files[match[1]][match[2]] = match[3]
        flags = [Path(words[number + 1]) for number, word in enumerate(words[:-1]) if word in ("--config-dir", "-cd")]
        return cls(folder, primary, files, flags[-1] if flags else None)

    @property
    def names(self) -> Names:
        """All names of datasets, models and indexes."""
        return {group: list(files) for group, files in self.files.items()}

    @property
    def search_path(self) -> list[str]:
        """The override with which Hydra looks into the user's own config files, too."""
        return [f'hydra.searchpath=["file://{self.extra_folder.resolve()}"]'] if self.extra_folder else []

    def filter(self, chosen: Names) -> dict[str, Any]:
        """Copies config.yaml's content with the chosen datasets, models and indexes only."""
        kept = []
        for entry in self.primary["defaults"]:
            key = next(iter(entry)) if isinstance(entry, dict) else entry
            group, at, package = key.partition("@")
            if not at or group not in chosen or package.removeprefix(f"{group}.") in chosen[group]:
                kept.append(entry)
        return {**self.primary, "defaults": kept}

    def find_file(self, group: str, name: str) -> Path | None:
        """Finds the file of a name in a group, a user's own one first; None if there is none."""
        folders = filter(None, (self.extra_folder, self.folder))
        files = (folder / group / f"{name}.yaml" for folder in folders)
        return next((file for file in files if file.is_file()), None)


def choose_entries(conf: Conf, overrides: Sequence[str], select: str | None) -> dict[str, set[str]]:
    """Chooses what a command composes: what it selects, what its overrides name, and the datasets these need.

    Args:
        conf: The config folder.
        overrides: The command line's overrides.
        select: What the command works on, "model", "dataset" or "index"; None composes everything.

    Raises:
        UserError: A selector or an override names what does not exist.
    """
    everything = {group: set(files) for group, files in conf.files.items()}
    chosen = _find_overridden(conf, overrides)
    for kind, group in GROUPS.items():
        names = list_selected(conf, overrides, kind)
        if not all(re.fullmatch(r"[\w-]+", name) for name in names):  # a function of Hydra's: choice(…), glob(…)
            return everything
        chosen[group] |= {require_known(kind, name, conf.files[group]) for name in names}
    if select is None:
        return everything
    return _add_references(chosen, lambda group, name: _find_references(conf, group, name, overrides))


def list_selected(conf: Conf, overrides: Sequence[str], select: str) -> list[str]:
    """Lists the names that a command line selects, several for a sweep: ["vgg19"] for model=vgg19."""
    values = [word.partition("=")[2] for word in overrides if word.partition("=")[0] == select]
    appended = [name for kind, name in _read_appended(conf, overrides) if kind == select]
    names = [unquote(name) for value in values[-1:] for name in value.split(",")] or appended
    return [name for name in names if name not in ("null", "")]


def unquote(value: str) -> str:
    """Takes the quotes off a value as Hydra does: '"my run"' becomes my run."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].replace(f"\\{value[0]}", value[0])
    return value


def compose(
    overrides: Sequence[str], chosen: Names, conf: Conf | None = None, primary: dict[str, Any] | None = None
) -> DictConfig:
    """Composes the chosen parts of conf/, interpolations unresolved.

    Args:
        overrides: Hydra's overrides.
        chosen: What to compose, see `choose_entries`.
        conf: The config folder; the project's own by default.
        primary: Another content of config.yaml than the filtered one. With it, Hydra's own section is returned too.

    Raises:
        UserError: An override is wrong.
    """
    conf = conf or Conf.read()
    try:
        with initialize_config_dir(str(conf.folder), version_base="1.3"):
            store_primary(primary or conf.filter(chosen))
            words = [*overrides, *conf.search_path]
            config = hydra_compose(PRIMARY, overrides=words, return_hydra_config=primary is not None)
    except HydraException as error:
        raise UserError(format_hydra_error(error)) from error
    except OmegaConfBaseException as error:
        raise UserError(format_omegaconf_error(error)) from error
    except yaml.MarkedYAMLError as error:
        raise UserError(format_yaml_error(error)) from error
    return prune(config, chosen, conf.names)


def store_primary(primary: dict[str, Any]) -> None:
    """Registers a filtered config.yaml with Hydra under the name `PRIMARY`."""
    ConfigStore.instance().store(PRIMARY, primary)


def prune(config: DictConfig, chosen: Names, names: Names) -> DictConfig:
    """Removes what a profile sets for models, datasets and indexes that were not chosen.

    Raises:
        UserError: The profile names one that does not exist.
    """
    OmegaConf.set_struct(config, False)
    for group, known in names.items():
        section = config.setdefault(group, {})
        for name in [str(name) for name in section]:
            if name not in known:
                raise UserError(unknown_key(f"{group}.{name}", known))
            if name not in chosen[group]:
                del section[name]
    OmegaConf.set_struct(config, True)
    return config


def compose_tree(overrides: Sequence[str] = (), conf: Conf | None = None) -> dict[str, Any]:
    """Composes all of conf/, interpolations resolved: what params.yaml holds.

    Raises:
        UserError: An override, or a file of conf/, is wrong.
    """
    conf = conf or Conf.read()
    choose_entries(conf, overrides, None)
    tree: dict[str, Any] = {}
    for chunk in _split_entries(conf):
        words = [word for word in overrides if _is_concerned(word, chunk)]
        part = to_plain(compose(words, chunk, conf))
        for group in conf.files:
            part[group] = {**tree.get(group, {}), **part[group]}
        tree = part
    for group, files in conf.files.items():
        tree[group] = {name: tree[group][name] for name in files}
    return tree


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Resolves a config into dictionaries, Hydra's own section left out."""
    plain = OmegaConf.masked_copy(config, [str(name) for name in config if name != "hydra"])
    try:
        values: Any = OmegaConf.to_container(plain, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(format_omegaconf_error(error)) from error
    return {str(name): value for name, value in values.items()}


def _split_entries(conf: Conf) -> Iterator[dict[str, set[str]]]:
    """Yields parts of the tree to compose, each with the datasets that its models and indexes refer to."""
    waiting = [(group, name) for group, files in conf.files.items() for name in files]
    for start in range(0, len(waiting), CHUNK):
        chunk: dict[str, set[str]] = {group: set() for group in conf.files}
        for group, name in waiting[start : start + CHUNK]:
            chunk[group].add(name)
        yield _add_references(chunk, partial(_read_interpolations, conf))


def _add_references(
    chosen: dict[str, set[str]], find: Callable[[str, str], set[tuple[str, str]]]
) -> dict[str, set[str]]:
    """Adds what the chosen entries refer to, and what these refer to, and so on."""
    pending = [(group, name) for group, names in chosen.items() for name in names]
    while pending:
        for group, name in find(*pending.pop()):
            if name not in chosen[group]:
                chosen[group].add(name)
                pending.append((group, name))
    return chosen


def _find_overridden(conf: Conf, overrides: Sequence[str]) -> dict[str, set[str]]:
    """Finds which datasets, models and indexes the overrides set values of."""
    entries: dict[str, set[str]] = {group: set() for group in conf.files}
    for override in overrides:
        if match := _GROUP_KEY.match(override.partition("=")[0]):
            group, name = match.groups()
            if name not in conf.files[group]:
                raise UserError(unknown_key(f"{group}.{name}", conf.files[group]))
            entries[group].add(name)
    return entries


def _is_concerned(override: str, chunk: Names) -> bool:
    match = _GROUP_KEY.match(override.partition("=")[0])
    return match is None or match[2] in chunk[match[1]]


def _read_appended(conf: Conf, overrides: Sequence[str]) -> list[tuple[str, str]]:
    """Finds what appended groups select: `+sweep=resnet50` brings the line `model: resnet50`."""
    selections = []
    for override in overrides:
        group, _, name = override.removeprefix("+").partition("=")
        file = conf.find_file(group, name) if override.startswith("+") else None
        if file:
            content = read_yaml(file) or {}
            selections += [(kind, str(content[kind])) for kind in GROUPS if content.get(kind)]
    return selections


def _find_references(conf: Conf, group: str, name: str, overrides: Sequence[str]) -> set[tuple[str, str]]:
    """Finds the dataset of a model or an index, and whatever its file's interpolations lead to."""
    path = f"{group}.{name}.dataset"
    values = [word.lstrip("+").partition("=")[2] for word in overrides if word.lstrip("+").partition("=")[0] == path]
    if values:
        datasets = [unquote(value) for value in values[-1].split(",")]
    else:
        profile = _read_profile(conf, overrides).get(group, {}).get(name) or {}
        datasets = [str(profile.get("dataset") or _read_key(conf, group, conf.files[group][name], "dataset"))]
    known = {("datasets", dataset) for dataset in datasets if dataset in conf.files["datasets"]}
    return known | _read_interpolations(conf, group, name)


def _read_profile(conf: Conf, overrides: Sequence[str]) -> dict[str, Any]:
    given = [word.partition("=")[2] for word in overrides if word.startswith("profile=")]
    default = next(entry["profile"] for entry in conf.primary["defaults"] if "profile" in entry)
    file = conf.find_file("profile", unquote(given[-1]) if given else default)
    return (read_yaml(file) or {}) if file else {}


def _read_key(conf: Conf, group: str, file: str, key: str) -> Any:
    """Reads a top-level key of a group's file, or of the files of that group that its defaults list names."""
    path = conf.find_file(group, file)
    content = (read_yaml(path) or {}) if path else {}
    if key in content:
        return content[key]
    parents = [entry for entry in content.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    values = (_read_key(conf, group, parent, key) for parent in reversed(parents))
    return next((value for value in values if value is not None), None)


def _read_interpolations(conf: Conf, group: str, name: str) -> set[tuple[str, str]]:
    """Finds which other datasets, models and indexes a file's interpolations name: ${models.vgg19.train.lr}."""
    file = conf.find_file(group, conf.files[group][name])
    text = file.read_text(encoding="utf-8") if file else ""
    return {(other, key) for other, key in _REFERENCE.findall(text) if key in conf.files[other]}
