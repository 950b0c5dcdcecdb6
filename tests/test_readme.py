"""What README tells people to type, checked against what there is; tests/pipeline runs the most of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from stages.config.composition import compose_tree
from stages.config.load import validate
from tests.conftest import ROOT, changed, run
from tests.gallery import gallery

README = (ROOT / "README.md").read_text()
LISTED = re.findall(r"`((?:dvc|python|make|bentoml) [^`]*)`", README)
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = LISTED + [line.lstrip("$ ") for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
TREE = ("models.", "datasets.", "indexes.", "bento.", "trainer.", "engine", "profile=")


def values_of(command: str) -> tuple[str, ...]:
    """Return the values that a command changes, the first of several."""
    words = [
        word.replace("'", "")
        for word in re.findall(r"(?:[^\s']|'[^']*')+", command)
        if "=" in word and not word.startswith(("-", "+"))
    ]
    values = [word for word in words if word.startswith(TREE) and "…" not in word]
    return tuple(first_of_sweep(word) for word in values)


def first_of_sweep(word: str) -> str:
    """Return an override with the first of several values; a list is one value."""
    name, _, value = word.partition("=")
    return word if value.startswith("[") else f"{name}={value.split(',')[0]}"


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 25


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_targets_exist(command: str) -> None:
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in COMMANDS if "python -m" in c])
def test_modules_exist(command: str) -> None:
    module = command.split()[2].replace(".", "/")
    assert (ROOT / f"{module}.py").exists() or (ROOT / module / "__main__.py").exists()


@pytest.mark.parametrize("values", sorted({values for command in COMMANDS if (values := values_of(command))}))
def test_values_are_allowed(values: tuple[str, ...], conf: dict[str, Any]) -> None:
    chosen = any(value.startswith(("profile=", "engine")) for value in values)
    validate(compose_tree(list(values)) if chosen else changed(conf, *values))


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http|#)[^)]+)\)", README))
def test_links_lead_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_layout_names_what_exists() -> None:
    folders = ("conf", "stages", "bento", "notebooks", "tests", "benchmarks")
    for name in (*folders, "MLproject", "dvc.yaml", "dvc.lock", "params.yaml"):
        assert name in README
        assert (ROOT / name).exists()


def test_the_search_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Collection" in block)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    indexes = tmp_path / "artifacts" / "indexes"
    indexes.mkdir(parents=True)
    gallery(indexes)
    known: dict[str, Any] = {}
    exec(program.replace("chinese", "egyptian"), known)
    assert len(known["found"].ids[0]) == 5


def test_make_help_says_what_there_is() -> None:
    shown = run("make", "--no-print-directory", "help", cwd=ROOT, MAKEFLAGS="", MAKELEVEL="0").stdout
    names = ["help", "demo", "test", "serve", "ui", "bench", "cluster"]
    assert [line.split()[1] for line in shown.splitlines()] == names
