"""Names in YAML → modules. A file in the kind's package, or a module named in `plugins:`, is one entry.

A network is a module that defines `build` (PyTorch) or `keras_model`, a layout one that defines `entries` (and
`collect`, where it is a table); their keyword-only arguments are the keys that YAML may set. They are read from the
source, not imported, so that a typo is answered before a framework is loaded.
"""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.core.errors import UserError, require_known, suggest


@dataclass(frozen=True)
class Kind:
    """A kind of named part.

    Attributes:
        name: What messages call it.
        package: Where its files live.
        entry: The function that marks a module as one.
        others: Further functions whose keyword-only arguments YAML may set.
    """

    name: str
    package: str
    entry: str
    others: tuple[str, ...] = ()


NETWORKS = {  # by framework
    "lightning": Kind("network", "stages.networks", "build"),
    "keras": Kind("network", "stages.networks", "keras_model"),
}
TRAINED = "trained"  # the weights of a feature extractor that is one of the tree's models
LAYOUT = Kind("layout", "stages.layouts", "entries", ("collect",))

_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "str": (str,)}


@dataclass(frozen=True)
class Option:
    """A key that YAML may set for an entry: its type as the source has it, and whether it must be given."""

    type: str
    required: bool


def list_modules(kind: Kind, plugins: list[str]) -> dict[str, str]:
    """Maps the name of every entry of a kind to its dotted module: the package's files, then the plugins'."""
    folder = find_source(kind.package).parent
    files = [f"{kind.package}.{file.stem}" for file in sorted(folder.glob("[!_]*.py"))]
    entries = (module for module in (*files, *plugins) if read_functions(module, [kind.entry]))
    return {module.rpartition(".")[2]: module for module in entries}


def find_module(kind: Kind, name: str, plugins: list[str], where: str) -> str:
    """Finds the dotted module of an entry.

    Args:
        kind: The kind of entry.
        name: Its name in YAML.
        plugins: The config's `plugins`.
        where: The config key that names it, for the message.

    Raises:
        UserError: There is no such entry.
    """
    known = list_modules(kind, plugins)
    return known[require_known(where, name, known)]


def load_module(kind: Kind, name: str, plugins: list[str]) -> ModuleType:
    """Imports an entry."""
    return importlib.import_module(find_module(kind, name, plugins, kind.name))


def split_options(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Splits what YAML says of an entry into its name and the options."""
    return str(given["name"]), {name: value for name, value in given.items() if name != "name"}


def find_source(module: str) -> Path:
    """Finds the file of a module without importing it; the working directory counts, too.

    Raises:
        UserError: There is no such module.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(f"plugins: no module named {module!r}; put its folder on PYTHONPATH or run from beside it")
    return Path(spec.origin)


def read_functions(module: str, names: Iterable[str]) -> dict[str, ast.FunctionDef]:
    """Reads those of the named functions that a module's source defines."""
    file = find_source(module)
    functions = _parse_functions(file, file.stat().st_mtime_ns)
    return {name: functions[name] for name in names if name in functions}


def read_options(kind: Kind, module: str) -> dict[str, Option]:
    """Reads the keys that YAML may set for an entry from the module's source."""
    options = {}
    for function in read_functions(module, (kind.entry, *kind.others)).values():
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
            annotation = ast.unparse(argument.annotation) if argument.annotation else ""
            options[argument.arg] = Option(annotation, default is None)
    return options


def check_options(kind: Kind, given: dict[str, Any], plugins: list[str], where: str) -> None:
    """Checks that a section of YAML names an entry, and that its other keys are options of that.

    Raises:
        UserError: The name or a key does not exist, a value is of another type, or a required option is missing.
    """
    if "name" not in given:
        raise UserError(f"{where}.name: missing; one of {', '.join(list_modules(kind, plugins))}")
    name, values = split_options(given)
    options = read_options(kind, find_module(kind, name, plugins, f"{where}.name"))
    for key, value in values.items():
        if key not in options:
            raise UserError(f"{where}.{key}: unknown key{suggest(key, ['name', *options])}")
        if not _is_of_type(value, options[key].type):
            raise UserError(f"{where}.{key}: {value!r} is not of type {options[key].type}")
    for key, option in options.items():
        if option.required and key not in values:
            raise UserError(f"{where}.{key}: missing ({option.type})")


@cache
def _parse_functions(file: Path, _changed: int) -> dict[str, ast.FunctionDef]:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _is_of_type(value: Any, annotation: str) -> bool:
    """Compares a value with an annotated scalar type; other annotations are not checked."""
    allowed = _TYPES.get(annotation)
    if allowed is None:
        return True
    return isinstance(value, allowed) and (annotation == "bool" or not isinstance(value, bool))
