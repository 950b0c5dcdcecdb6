"""YAML edited as text: one value is set, every other byte stays.

Libraries that load a file and dump it again move comments, lose nulls and unquote what then reads as a bool.
"""

import json
import re
from typing import Any

import yaml
from omegaconf import OmegaConf


def put(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return YAML text with one value set; every other byte stays, and what is new comes last in its mapping."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    key = node
    for depth, name in enumerate(path):
        pairs = {item[0].value: item for item in node.value} if isinstance(node, yaml.MappingNode) else {}
        if name not in pairs:
            for inner in reversed(path[depth + bool(pairs) :]):
                value = {inner: value}
            if pairs:
                return added(text, node, f"{spelled(name)}: {spelled(value)}")
            break
        key, node = pairs[name]
    start, stop, rest = node.start_mark.index, end(text, node), ""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        start = text.index(":", key.end_mark.index) + 1
        rest = text[start : text.index("\n", start)]
    return f"{text[:start]}{' ' * (text[start - 1] == ':')}{spelled(value)}{rest}{text[stop:]}"


def added(text: str, node: yaml.MappingNode, line: str) -> str:
    """Return YAML text with an entry after the last of a mapping."""
    stop = end(text, node.value[-1][1])
    if node.flow_style:
        return f"{text[:stop]}, {line}{text[stop:]}"
    stop = text.find("\n", stop) + 1 or len(text)
    gap = "" if text[:stop].endswith("\n") else "\n"
    return f"{text[:stop]}{gap}{' ' * node.start_mark.column}{line}\n{text[stop:]}"


def end(text: str, node: yaml.Node) -> int:
    """Return where a node's own text ends; PyYAML counts the comments after a block to it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return len(text[: node.end_mark.index].rstrip())


def spelled(value: Any) -> str:
    """Return a value as YAML in one line: JSON, in which words that YAML reads as themselves need no quotes."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r'(?<!\\)"(\w[\w./:-]*)"', lambda word: word[OmegaConf.create(f"[{word[1]}]") == [word[1]]], text)
