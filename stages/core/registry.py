"""Names in YAML → modules. A file in the kind's package, or a module named in `plugins:`, is one entry.

A network is a module that defines `build` (PyTorch) or `keras_model`, a layout one that defines `entries` (and
`collect`, where it is a table); their keyword-only arguments are the keys that YAML may set. They are read without
being imported, so that a typo is answered before a framework is loaded.
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
    """A kind of named part: the package its files live in, the function that marks one, and others with keys."""

    name: str
    package: str
    entry: str
    others: tuple[str, ...] = ()


NETWORKS = {  # by framework
    "lightning": Kind("network", "stages.networks", "build"),
    "keras": Kind("network", "stages.networks", "keras_model"),
}
TRAINED = "trained"  # the weights of a featuriser that is one of the tree's models
LAYOUT = Kind("layout", "stages.layouts", "entries", ("collect",))

TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "str": (str,)}


@dataclass(frozen=True)
class Option:
    """One keyword-only argument of an entry: its type as written, and whether it must be given."""

    type: str
    required: bool


def modules(kind: Kind, plugins: list[str]) -> dict[str, str]:
    """Return name → dotted module of every entry of a kind: the package's files, then the plugins'."""
    folder = source(kind.package).parent
    own = [f"{kind.package}.{file.stem}" for file in sorted(folder.glob("[!_]*.py"))]
    found = (module for module in (*own, *plugins) if defined(module, [kind.entry]))
    return {module.rpartition(".")[2]: module for module in found}


def source(module: str) -> Path:
    """Return the file of a module without importing it."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(f"plugins: no module named {module!r}; put its folder on PYTHONPATH or run from beside it")
    return Path(spec.origin)


def defined(module: str, names: Iterable[str]) -> dict[str, ast.FunctionDef]:
    """Return those of the named functions that a module defines, read from its source."""
    file = source(module)
    found = functions(file, file.stat().st_mtime_ns)
    return {name: found[name] for name in names if name in found}


@cache
def functions(file: Path, _changed: int) -> dict[str, ast.FunctionDef]:
    """Return the functions of a file, which is parsed once however many keys of a tree name it."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def module_of(kind: Kind, name: str, plugins: list[str], where: str) -> str:
    """Return the dotted module of a named entry; `where` is the config key that names it."""
    known = modules(kind, plugins)
    return known[require_known(where, name, known)]


def selected(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Tell an entry's name from the keys that YAML sets for it."""
    return str(given["name"]), {name: value for name, value in given.items() if name != "name"}


def load(kind: Kind, name: str, plugins: list[str]) -> ModuleType:
    """Import a named entry."""
    return importlib.import_module(module_of(kind, name, plugins, kind.name))


def options(kind: Kind, module: str) -> dict[str, Option]:
    """Return the keyword-only arguments of a module's functions, read from its source."""
    functions = defined(module, (kind.entry, *kind.others)).values()
    arguments = [function.args for function in functions]
    return {
        arg.arg: Option(ast.unparse(arg.annotation) if arg.annotation else "", default is None)
        for found in arguments
        for arg, default in zip(found.kwonlyargs, found.kw_defaults, strict=True)
    }


def check_options(kind: Kind, given: dict[str, Any], plugins: list[str], where: str) -> None:
    """Raise a UserError unless `given` names an entry and its other keys fit that entry's arguments."""
    if "name" not in given:
        raise UserError(f"{where}.name: missing; one of {', '.join(modules(kind, plugins))}")
    known = options(kind, module_of(kind, str(given["name"]), plugins, f"{where}.name"))
    values = {name: value for name, value in given.items() if name != "name"}
    for name, value in values.items():
        if name not in known:
            raise UserError(f"{where}.{name}: unknown key{suggest(name, ['name', *known])}")
        if not fits(value, known[name].type):
            raise UserError(f"{where}.{name}: {value!r} is not of type {known[name].type}")
    for name, option in known.items():
        if option.required and name not in values:
            raise UserError(f"{where}.{name}: missing ({option.type})")


def fits(value: Any, annotation: str) -> bool:
    """Return whether a YAML value is of an annotated type; annotations other than scalars are not checked."""
    allowed = TYPES.get(annotation)
    if allowed is None:
        return True
    return isinstance(value, allowed) and (annotation == "bool" or not isinstance(value, bool))
