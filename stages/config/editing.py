"""Sets values in YAML text. Comments, quotes, order, and the way other values are written stay."""

import io
import re
import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf
from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import CommentMark
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from stages.core.errors import UserError

_INDENTS = ((2, 2), (2, 0), (4, 2), (4, 0))  # of a mapping, and of a list's dashes
_COMMENT = re.compile(r"(?m)(?<!\S)#.*$")


class _Constructor(RoundTripConstructor):
    """Keeps numbers, booleans and nulls as they are written: 1e-3, True, ~."""

    def keep_scalar(self, node: ScalarNode) -> TaggedScalar:
        return TaggedScalar(node.value, node.style, node.tag)


for _tag in ("null", "bool", "int", "float"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_tag}", _Constructor.keep_scalar)


def set_value(text: str, path: Sequence[Any], value: Any, name: str) -> str:
    """Sets a value in YAML text. A new key comes last in its mapping.

    Args:
        text: What the file holds, a mapping.
        path: Keys, and indexes of list items.
        value: A scalar, or lists and dictionaries of them.
        name: The file's name, for the message.

    Raises:
        UserError: A comment would be lost; ruamel.yaml has no place for those inside [...] and {...}.
    """
    if "\r\n" in text:
        return set_value(text.replace("\r\n", "\n"), path, value, name).replace("\n", "\r\n")
    yaml = YAML()
    yaml.Constructor = _Constructor
    yaml.preserve_quotes = True
    yaml.width = sys.maxsize
    yaml.default_flow_style = True  # of new lists and mappings
    for mapping, dash in (*_INDENTS, _INDENTS[0]):
        yaml.indent(mapping=mapping, sequence=dash + 2, offset=dash)
        if _dump(yaml, yaml.load(text)) == text:
            break
    content = yaml.load(text)
    _set_below(content, path, value)
    edited = _dump(yaml, content)
    if any(edited.count(comment) < text.count(comment) for comment in _COMMENT.findall(text)):
        raise UserError(f"{name}: comments inside a list or {{…}} would be lost; set {path[-1]} by hand")
    return edited


def _dump(yaml: YAML, content: Any) -> str:
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _set_below(node: Any, path: Sequence[Any], value: Any) -> None:
    key, *rest = path
    child = node[key] if isinstance(node, list) else node.get(key)
    if rest and isinstance(child, dict | list):
        _set_below(child, rest, value)
        return
    for name in reversed(rest):
        value = {name: value}
    # ruamel keeps the comments below a line with that line's value; a new key comes between the two.
    is_block = not node.fa.flow_style(True)
    below = _cut_comments(node, key if key in node else next(reversed(node))) if is_block else ""
    node[key] = _to_ruamel(value)
    if is_block:
        *_, token, _ = tokens = node.ca.items.setdefault(key, [None] * 4)
        tokens[2] = CommentToken((token.value.rstrip("\n") if token else "") + below, CommentMark(0), None)


def _cut_comments(node: Any, key: Any) -> str:
    """Removes the lines of comments below a value and returns them, with the end of the line before them."""
    while isinstance(node[key], dict | list) and not node[key].fa.flow_style(True):
        node = node[key]
        key = next(reversed(node)) if isinstance(node, dict) else len(node) - 1
    token = next(filter(None, node.ca.items.get(key, [])), None)
    line, end, below = token.value.partition("\n") if token else ("", "\n", "")
    if token:
        token.value = line + end
    return end + below


def _to_ruamel(value: Any) -> Any:
    """Converts a value so that OmegaConf reads the same: text like "yes" and "1e-3" needs quotes."""
    if isinstance(value, dict):
        return {_to_ruamel(key): _to_ruamel(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_to_ruamel(inner) for inner in value]
    if isinstance(value, str):
        is_plain = re.fullmatch(r"\w[\w./:-]*", value) and OmegaConf.create(f"[{value}]") == [value]
        return value if is_plain else DoubleQuotedScalarString(value)
    return TaggedScalar("null", None, "tag:yaml.org,2002:null") if value is None else value
