"""Values set in YAML text: everything else stays, and what is written is what is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stages.config import CONF
from stages.edit import put, spelled

FILES = sorted(CONF.rglob("*.yaml"))


def scalars(node: yaml.Node | None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every scalar that is no item of a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from scalars(value, (*path, key.value))
    elif isinstance(node, yaml.ScalarNode):
        yield path


def at(tree: Any, path: tuple[str, ...]) -> Any:
    """Return what lies at a path."""
    for name in path:
        tree = tree[name]
    return tree


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_every_other_byte_of_conf_stays(file: Path) -> None:
    text = file.read_text()
    present = yaml.load(text, yaml.CSafeLoader)
    for path in scalars(yaml.compose(text, yaml.CSafeLoader)):
        new = put(text, path, [1.5, "a b"])
        old_lines, lines = text.splitlines(), new.splitlines()
        assert len(old_lines) == len(lines)
        ((old, line),) = (pair for pair in zip(old_lines, lines, strict=True) if pair[0] != pair[1])
        assert old.partition(" #")[2] == line.partition(" #")[2]
        tree = yaml.load(new, yaml.CSafeLoader)
        assert at(tree, path) == [1.5, "a b"]
        at(tree, path[:-1])[path[-1]] = at(present, path)
        assert tree == present


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_new_keys_come_last_in_their_mapping(file: Path) -> None:
    text = file.read_text()
    present = yaml.load(text, yaml.CSafeLoader)
    for path in scalars(yaml.compose(text, yaml.CSafeLoader)):
        new = put(text, (*path[:-1], "one", "two"), 5)
        tree = yaml.load(new, yaml.CSafeLoader)
        assert list(at(tree, path[:-1]).items())[-1] == ("one", {"two": 5})
        del at(tree, path[:-1])["one"]
        assert tree == present
        assert len(set(text.splitlines()) - set(new.splitlines())) <= 1, "a flow mapping is one line"


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a: 1e-3 # lr\n", "a", 1e-4, "a: 0.0001 # lr\n"),
        ("a: 'x'\nb: \"y\"\n", "a", "z", 'a: z\nb: "y"\n'),
        ("a: 1", "b", 2, "a: 1\nb: 2\n"),
        ("a: {b: 1, c: 2} # d\n", "a.c", 3, "a: {b: 1, c: 3} # d\n"),
        ("a: {b: 1}\n", "a.c.d", 3, "a: {b: 1, c: {d: 3}}\n"),
        ("a: {\n  b: 1, # c\n}\n", "a.d", 2, "a: {\n  b: 1, d: 2, # c\n}\n"),
        ("a: {}\n", "a.b", 1, "a: {b: 1}\n"),
        ("a: # why\nb: 1\n", "a", 5, "a: 5 # why\nb: 1\n"),
        ("a: null # why\n", "a.b.c", 5, "a: {b: {c: 5}} # why\n"),
        ("a: # one\n  - 1 # two\n  - 2\n# three\nb: 1\n", "a", [3], "a: [3] # one\n# three\nb: 1\n"),
        ("a:\n  b: 1\nc: 2\n", "a", None, "a: null\nc: 2\n"),
        ("a:\n    b: 1 # c\n\n# d\ne: 2\n", "a.f", 3, "a:\n    b: 1 # c\n    f: 3\n\n# d\ne: 2\n"),
        ("a: |\n  text\n\nb: 1\n", "c", 2, "a: |\n  text\n\nb: 1\nc: 2\n"),
        ("a: |\n  text\n\nb: 1\n", "a", "x", "a: x\n\nb: 1\n"),
        ("a:\r\n  b: 1\r\nc: 2\r\n", "a.b", 3, "a:\r\n  b: 3\r\nc: 2\r\n"),
    ],
)
def test_yaml_is_edited_in_place(text: str, path: str, value: Any, expected: str) -> None:
    assert put(text, tuple(path.split(".")), value) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("imagenet", "imagenet"), ("32-true", "32-true"), ("s3://a/b.zip", "s3://a/b.zip"), ("a b", '"a b"'),
        ("yes", '"yes"'), ("null", '"null"'), ("1e-3", '"1e-3"'), ("1_000", '"1_000"'), ("12:30:00", '"12:30:00"'),
        ("${seed}", '"${seed}"'), ("", '""'), ([1, None, True, "on"], '[1, null, true, "on"]'),
        ({"a.b": [0.5], "c": {}}, "{a.b: [0.5], c: {}}"), (1e-5, "1e-05"), (['"a', "\\", "b"], '["\\"a", "\\\\", b]'),
    ],
)  # fmt: skip
def test_values_are_spelled_as_omegaconf_reads_them(value: Any, text: str) -> None:
    assert spelled(value) == text
    assert OmegaConf.to_container(OmegaConf.create(f"a: {text}")) == {"a": value}


WORDS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(WORDS.filter(bool), inner), max_leaves=8))
def test_whatever_is_spelled_is_read_back(value: Any) -> None:
    text = put("z: 1 # first\n", ("a",), value)
    assert OmegaConf.to_container(OmegaConf.create(text), resolve=False)["a"] == value
