"""Turns errors of pydantic, OmegaConf and Hydra into one line: path, value, what is allowed, the nearest name."""

import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stages.core.errors import suggest

if TYPE_CHECKING:
    from omegaconf.errors import OmegaConfBaseException

RENAMED = {  # old key → new key, as the last parts of a path
    "fetch.also": "alternative_names",
    "fetch.parts": "extra_files",
    "preprocess.shard": "shard_size",
    "train.lr_rule": "lr_scaling",
    "train.lr_batch": "lr_base_batch_size",
    "train.accumulate": "accumulate_grad_batches",
    "train.clip": "gradient_clip_norm",
    "augment.views": "num_views",
    "search.select": "monitor and mode",
    "matches.best": "top_k",
    "bento.sure": "min_confidence",
    "bento.fetches": "max_url_fetches",
}
RENAMED_OF_INDEXES = {
    "quality": "precision_k",
    "noun": "item_name",
    "blocks": "partition_by",
    "show": "display_columns",
}
_RANGES = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "above"),
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "list": "a list"}
_QUOTING = """a value that holds spaces or any of ( ) [ ] { } , : = ~ ' " needs quotes of its own inside those of the \
shell: 'from="runs/my run (best)"'"""


def format_validation_error(error: ValidationError, root: type[BaseModel]) -> str:
    """Describes the first mistake that pydantic found in a config.

    Args:
        error: What pydantic raised.
        root: The model that was validated.
    """
    first = error.errors(include_url=False)[0]
    path, parent, annotation = _resolve(root, first["loc"])
    value, kind, context = first["input"], first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(path, parent.model_fields)
    if kind == "missing":
        return f"{path}: missing; it has no default"
    if kind in ("literal_error", "union_tag_invalid"):
        choices = _list_choices(annotation)
        if kind == "union_tag_invalid":
            path, value = f"{path}.framework", value.get("framework")
        return f"{path}: {value!r} is not allowed{_suggest_value(path, value, choices)}"
    if kind == "union_tag_not_found":
        return f"{path}.framework: missing; one of {', '.join(_list_choices(annotation))}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{path}: {value!r} is not a section; it has keys of its own"
    if kind in _RANGES:
        limit, words = _RANGES[kind]
        return f"{path}: {value} is out of range; it must be {words} {context[limit]:g}"
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        length = context.get("min_length", context.get("max_length"))
        return f"{path}: {value} is of length {len(value)}; it must be {length}"
    if kind == "value_error":
        return f"{path}: {context['error']}"
    expected = _KINDS.get(kind.partition("_")[0], first["msg"])
    return f"{path}: {value!r} is not {expected}"


def format_omegaconf_error(error: "OmegaConfBaseException") -> str:
    """Describes an error of OmegaConf: an unknown key, or an interpolation that leads nowhere."""
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    path = error.full_key or str(error.key or "")
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        parent = error.parent_node
        return unknown_key(path, [str(name) for name in parent] if parent is not None else [])
    reason = (error.msg or str(error)).split("\n")[0]
    if "Missing mandatory value" in str(error):
        reason = "missing; it has no default"
    return f"{path}: {reason}" if path else reason


def format_hydra_error(error: Exception) -> str:
    """Describes an error of Hydra: a wrong override, an unknown name in a group, or a value that needs quotes."""
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error.__cause__, OmegaConfBaseException):
        return format_omegaconf_error(error.__cause__)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: Hydra cannot read this; {_QUOTING}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}: unknown name {name!r}{suggest(name, error.options)}"
    return str(error)


def format_yaml_error(error: yaml.MarkedYAMLError, file: str = "") -> str:
    """Describes a file that is not YAML: its name, the line, and what stands there."""
    mark = error.problem_mark or error.context_mark
    name = file or (mark.name if mark else "")
    return f"{name}, line {mark.line + 1 if mark else '?'}: {error.problem or error.context}; is a bracket not closed?"


def unknown_key(path: str, known: Any) -> str:
    """Describes a key that does not exist: its new name if it was renamed, else the nearest key."""
    parent, _, key = path.rpartition(".")
    new = RENAMED.get(f"{parent.rpartition('.')[2]}.{key}")
    if re.fullmatch(r"indexes\.[^.]+", parent):
        new = RENAMED_OF_INDEXES.get(key, new)
    if new:
        return f"{path}: renamed; set {new}"
    return f"{path}: unknown key{suggest(key, known)}"


def _resolve(root: Any, location: tuple[int | str, ...]) -> tuple[str, Any, Any]:
    """Follows a location through the schema: its path as users write it, the section it lies in, its annotation."""
    path, parent, annotation = [], root, root
    for part in location:
        model = _strip(annotation)
        if get_origin(model) is dict:
            annotation = get_args(model)[1]
        elif get_origin(model) in (Union, UnionType):  # pydantic names the member that it chose
            members = [
                member for member in get_args(model) if isinstance(member, type) and issubclass(member, BaseModel)
            ]
            annotation = next((item for item in members if part in _list_choices(item.model_fields["framework"])), None)
            if annotation is not None:
                continue
            break
        elif isinstance(model, type) and issubclass(model, BaseModel):
            parent, annotation = model, model.model_fields.get(str(part))
        elif isinstance(part, int):  # an item of a list: the list is what the user sees
            break
        path.append(str(part))
    return ".".join(path), parent, annotation


def _strip(annotation: Any) -> Any:
    """Takes the annotation of a field, without constraints and without None."""
    if isinstance(annotation, FieldInfo):
        annotation = annotation.annotation
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _strip(members[0]) if len(members) == 1 else annotation
    return annotation


def _list_choices(annotation: Any) -> list[str]:
    plain = _strip(annotation)
    if get_origin(plain) is Literal:
        return [str(choice) for choice in get_args(plain)]
    return [name for member in get_args(plain) for name in _list_choices(member.model_fields["framework"])]


def _suggest_value(path: str, value: Any, choices: list[str]) -> str:
    mode, _, metric = str(value).partition(".")
    if path.endswith(".monitor") and metric in choices:  # how it was written before
        return f"; set {path}={metric} and {path.removesuffix('monitor')}mode={mode}"
    return suggest(str(value), choices)
