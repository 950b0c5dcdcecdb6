"""The page of results: some groups are measured anew, the others stay as they are."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.table import HEAD, Row, markdown, read, renewed, row
from benchmarks.timing import Ratio
from stages.core.registry import read_functions


def line(group: str, claim: str) -> Row:
    return row(group, Ratio(claim, "1 s", "2 s", [1.5, 2.0, 4.0], "≥ 1"))


def test_a_row_says_how_far_the_pairs_lie_apart() -> None:
    assert line("a", "b") == ("a", "b", "1 s", "2 s", "2.00×", "1.50–4.00", "≥ 1")


def test_a_page_is_read_back(tmp_path: Path) -> None:
    rows = [line("pack", "one"), line("search", "two, `x` ≥ 2 (a/b)")]
    page = tmp_path / "results.md"
    assert read(page) == []
    page.write_text(markdown(rows))
    assert read(page) == rows


def test_a_page_without_groups_is_not_taken_for_results(tmp_path: Path) -> None:
    (tmp_path / "results.md").write_text("| claim | ours |\n| --- | --- |\n| a | b |\n")
    assert read(tmp_path / "results.md") == []


def test_only_the_rows_of_measured_groups_change_and_all_keep_their_order() -> None:
    old = [line("a", "old a"), line("b", "old b 1"), line("b", "old b 2"), line("gone", "x")]
    new = [line("b", "new b"), line("c", "new c")]
    claims = [claim for _, claim, *_ in renewed(old, new, ["c", "a", "b"])]
    assert claims == ["new c", "old a", "new b"]


def test_the_page_tells_no_date() -> None:
    assert not re.search(r"\b20\d\d-\d\d", markdown([line("a", "b")]))


@pytest.mark.parametrize("name", command.GROUPS)
def test_every_group_names_a_function_that_is_there(name: str) -> None:
    """Read, not imported: they bring every framework."""
    module, _, function = command.GROUPS[name].partition(":")
    assert read_functions(module, [function])


def test_named_groups_are_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "results.md"
    page.write_text(markdown([line("packing", "kept"), line("step", "former")]))
    monkeypatch.setattr(command, "RESULTS", page)
    monkeypatch.setattr("benchmarks.training.step", lambda: Ratio("new", "1 s", "2 s", [2.0], "≥ 1"))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "step"])
    command.main()
    assert [cells[1] for cells in read(page)] == ["kept", "new"]


def test_an_unknown_group_is_answered_with_the_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "serch"])
    with pytest.raises(SystemExit):
        command.main()
    said = capsys.readouterr().err
    assert "unknown: serch" in said
    assert "search" in said


def test_the_head_fits_the_rows() -> None:
    assert len(HEAD) == len(line("a", "b"))
