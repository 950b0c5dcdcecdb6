"""The benchmarks that start processes, with the smallest numbers: they run to their end and say what they measured."""

from pathlib import Path

import pytest

from benchmarks.beyond import MEMORY_MB, ROWS, beyond
from benchmarks.memory import peaks
from benchmarks.startup import nothing_to_do, stages
from benchmarks.timing import shorter, shown, turns


def test_the_ratio_is_the_peers_time_by_ours() -> None:
    found = shorter("claim", [0.5, 0.25], [1.0, 1.0], "≥ 1", "peer")
    assert found.pairs == [2.0, 4.0]
    assert (found.ours, found.peer) == ("375.0 ms", "1.00 s (peer)")
    assert shown(61.5) == "61.50 s"


def test_entrants_take_turns() -> None:
    order: list[str] = []

    def entrant(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = turns({name: lambda name=name: entrant(name) for name in "ab"}, 2, "test")  # type: ignore[misc]
    assert order == ["a", "b", "a", "b"]
    assert found == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


@pytest.mark.slow
def test_a_project_in_which_all_is_done_is_measured(tmp_path: Path) -> None:
    budget, version = nothing_to_do(tmp_path / "project", 1)
    assert budget.peer == "2.50 s (the bar)"
    assert 0 < version.median < 1.2, "DVC that looks at everything takes longer than DVC that says its version"


@pytest.mark.slow
def test_stages_help_and_refuse() -> None:
    helped, refused = stages(1, {"stages.fetch": "dataset=kagle"})
    assert helped.claim == "`python -m stages.fetch --help`"
    assert "kagle" in refused.claim


@pytest.mark.slow
def test_the_memory_of_preprocess_is_seen() -> None:
    memory, rate = peaks((60, 120), ["local"])
    assert 0.5 < memory.median < 2
    assert int(memory.ours.split()[0]) > 50
    assert rate.median > 1, "starting takes most of the time"


@pytest.mark.slow
def test_a_collection_beyond_its_memory_is_built_and_searched() -> None:
    built, sorted_, searched, *queries = beyond(8_000, 16, 1)
    assert "8,000 × 2048" in built.claim
    assert all(found.median > 2 for found in (built, sorted_, searched)), "a small one needs far less than 2 GiB"
    assert len(queries) == 5
    assert 4 * 2048 * ROWS > MEMORY_MB << 20, "what is measured for the page is larger than what it may hold"
