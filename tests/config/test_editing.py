"""Values set in YAML text: everything else stays, and what is written is what is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stages.config.editing import set_value
from stages.core.errors import UserError
from stages.core.workspace import CONF

FILES = sorted(CONF.rglob("*.yaml"))


def list_paths(node: yaml.Node | None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every scalar that is no item of a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from list_paths(value, (*path, key.value))
    elif isinstance(node, yaml.ScalarNode):
        yield path


def select(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_every_other_byte_of_conf_stays(file: Path) -> None:
    text = file.read_text()
    former = yaml.load(text, yaml.CSafeLoader)
    for path in list_paths(yaml.compose(text, yaml.CSafeLoader)):
        new = set_value(text, path, [1.5, "a b"], file.name)
        old_lines, lines = text.splitlines(), new.splitlines()
        assert len(old_lines) == len(lines)
        ((old, line),) = (pair for pair in zip(old_lines, lines, strict=True) if pair[0] != pair[1])
        assert old.partition(" #")[2] == line.partition(" #")[2]
        tree = yaml.load(new, yaml.CSafeLoader)
        assert select(tree, path) == [1.5, "a b"]
        select(tree, path[:-1])[path[-1]] = select(former, path)
        assert tree == former


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_new_keys_come_last_in_their_mapping(file: Path) -> None:
    text = file.read_text()
    former = yaml.load(text, yaml.CSafeLoader)
    for parent in {path[:-1] for path in list_paths(yaml.compose(text, yaml.CSafeLoader))}:
        new = set_value(text, (*parent, "one", "two"), 5, file.name)
        tree = yaml.load(new, yaml.CSafeLoader)
        assert list(select(tree, parent).items())[-1] == ("one", {"two": 5})
        del select(tree, parent)["one"]
        assert tree == former
        assert (
            new.replace(", one: {two: 5}", "") == text
            or [line for line in new.splitlines() if line.strip() != "one: {two: 5}"] == text.splitlines()
        ), "one line is new, or one flow mapping is longer"


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a: 1e-3 # lr\n", "a", 1e-4, "a: 0.0001 # lr\n"),
        ("a: 100000 # lr\n", "a", 1, "a: 1 # lr\n"),
        ("a: 1 # b\n", "a", "c #d", 'a: "c #d" # b\n'),
        ("a: 'x'\nb: \"y\"\n", "a", "z", "a: 'z'\nb: \"y\"\n"),
        ("a: 1", "b", 2, "a: 1\nb: 2\n"),
        ("a:\nb: ~\nc: null\n", "d", 1, "a:\nb: ~\nc: null\nd: 1\n"),
        ("a: True\nb: +1\nc: 1_0\nd: .5\n", "e", 1, "a: True\nb: +1\nc: 1_0\nd: .5\ne: 1\n"),
        ("a: {b: 1, c: 2} # d\n", "a.c", 3, "a: {b: 1, c: 3} # d\n"),
        ("a: {b: 1}\n", "a.c.d", 3, "a: {b: 1, c: {d: 3}}\n"),
        ("a: {}\nb: 1\n", "a.b", 1, "a: {b: 1}\nb: 1\n"),
        ("a: # why\nb: 1\n", "a", 5, "a: 5 # why\nb: 1\n"),
        ("a: null # why\n", "a.b.c", 5, "a: {b: {c: 5}} # why\n"),
        ("a: # one\n  - 1\n  - 2\n# three\nb: 1\n", "a", [3], "a: [3] # one\n# three\nb: 1\n"),
        ("a:\n- 1\n- b: 2 # c\n# d\ne: 1\n", "f", 3, "a:\n- 1\n- b: 2 # c\n# d\ne: 1\nf: 3\n"),
        ("a:\n  - b: 1\n  - c: 2 # d\n", "a.1.c", 3, "a:\n  - b: 1\n  - c: 3 # d\n"),
        ("a:\n  b: 1\nc: 2\n", "a", None, "a: null\nc: 2\n"),
        ("a:\n    b: 1 # c\n\n# d\ne: 2\n", "a.f", 3, "a:\n    b: 1 # c\n    f: 3\n\n# d\ne: 2\n"),
        ("a:\n  # b\n  c:\n    d: 1\n  # e\n", "a.f", 3, "a:\n  # b\n  c:\n    d: 1\n  f: 3\n  # e\n"),
        ("a: |\n  text\n\nb: 1\n", "c", 2, "a: |\n  text\n\nb: 1\nc: 2\n"),
        ("a:\r\n  b: 1 # c\r\n", "a.b", 3, "a:\r\n  b: 3 # c\r\n"),
    ],
)  # fmt: skip
def test_yaml_is_edited_in_place(text: str, path: str, value: Any, expected: str) -> None:
    keys = tuple(int(key) if key.isdigit() else key for key in path.split("."))
    assert set_value(text, keys, value, "x.yaml") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("a: {\n  b: 1, # c\n}\n", 2), ("a:\n  - 1 # two\n", 2), ("a: [1, # one\n  2]\nb: 1\n", 2)],
)
def test_no_comment_is_lost(text: str, value: Any) -> None:
    with pytest.raises(UserError, match=r"x.yaml: comments inside a list or \{…\} would be lost; set a by hand"):
        set_value(text, ("a",), value, "x.yaml")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("imagenet", "imagenet"), ("32-true", "32-true"), ("s3://a/b.zip", "s3://a/b.zip"), ("a b", '"a b"'),
        ("yes", '"yes"'), ("null", '"null"'), ("1e-3", '"1e-3"'), ("1_000", '"1_000"'), ("12:30:00", '"12:30:00"'),
        ("${seed}", '"${seed}"'), ("", '""'), ([1, None, True, "on"], '[1, null, true, "on"]'),
        ({"a.b": [0.5], "c": {}}, "{a.b: [0.5], c: {}}"), (1e-5, "1e-05"), (['"a', "\\", "b"], '["\\"a", "\\\\", b]'),
    ],
)  # fmt: skip
def test_values_are_written_as_omegaconf_reads_them(value: Any, text: str) -> None:
    assert set_value("b: 1\n", ("a",), value, "x.yaml") == f"b: 1\na: {text}\n"
    assert OmegaConf.to_container(OmegaConf.create(f"a: {text}"), resolve=False) == {"a": value}


WORDS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(WORDS.filter(bool), inner), max_leaves=8))
def test_whatever_is_written_is_read_back(value: Any) -> None:
    text = set_value("z: 1 # first\n", ("a",), value, "x.yaml")
    assert OmegaConf.to_container(OmegaConf.create(text), resolve=False)["a"] == value
