from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stages.fetch.archive import Entry
from stages.fetch.subset import shares, subset

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1)


def entries(counts: dict[str | None, int]) -> list[Entry]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [Entry(Path("a.zip"), number, f"{label}.{number}", label) for number, label in enumerate(labels)]


@given(COUNTS, st.data())
def test_shares_add_up_and_are_proportional(counts: dict[str, int], data: st.DataObject) -> None:
    total = data.draw(st.integers(len(counts), sum(counts.values())))
    given = shares(counts, total)
    whole = sum(counts.values())
    for label, count in counts.items():
        assert given[label] >= 1
        assert abs(given[label] - total * count / whole) <= max(1, len(counts))
    if all(total * count / whole >= 1 for count in counts.values()):
        assert sum(given.values()) == total


def test_a_subset_is_stratified_seeded_and_in_order() -> None:
    whole = entries({"cat": 300, "dog": 100, None: 40})
    part = subset(whole, 40, seed=1)
    assert Counter(entry.label for entry in part) == {"cat": 30, "dog": 10, None: 4}
    assert part == subset(whole, 40, seed=1) != subset(whole, 40, seed=2)
    assert [entry.index for entry in part] == sorted(entry.index for entry in part)
    assert subset(whole, 400, seed=1) == whole
