from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.archive import Entry
from stages.core.errors import UserError
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


def split(counts: dict[tuple[str, str], int]) -> list[Entry]:
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return [Entry(Path("a.zip"), n, f"{n}", label, split=split) for n, (label, split) in enumerate(kinds)]


def test_a_limit_that_empties_a_published_split_is_refused_with_one_that_would_do() -> None:
    whole = split({(label, split): 10 for label in ("cat", "dog") for split in ("train", "val", "test")})
    with pytest.raises(
        UserError, match=r"fetch\.limit: 2 keeps no .* split test and val; say at least (\d+)"
    ) as caught:
        subset(whole, 2, seed=1)
    enough = int(str(caught.value).partition("at least ")[2].split()[0])
    assert {entry.split for entry in subset(whole, enough, seed=1)} == {"train", "val", "test"}
    with pytest.raises(UserError, match="keeps no picture"):
        subset(whole, enough - 1, seed=1)


def test_of_a_class_with_room_for_one_a_picture_to_train_on_is_kept() -> None:
    whole = split({("cat", "train"): 50, ("cat", "test"): 50, ("fox", "train"): 1, ("fox", "test"): 4})
    assert [entry.split for entry in subset(whole, 4, seed=1) if entry.label == "fox"] == ["train"]


@pytest.mark.parametrize("limit", [2, 3])
def test_every_class_keeps_one_however_small_the_limit(limit: int) -> None:
    assert Counter(entry.label for entry in subset(entries(dict.fromkeys("abcde", 9)), limit, seed=1)) == dict.fromkeys(
        "abcde", 1
    )


def test_of_what_has_no_labels_it_keeps_so_many() -> None:
    entries = [Entry(Path("a"), n, f"{n}.jpg", None) for n in range(50)]
    kept = subset(entries, 20, seed=1)
    assert len(kept) == 20
    assert [entry.index for entry in kept] == sorted(entry.index for entry in kept)
    assert kept == subset(entries, 20, seed=1) != subset(entries, 20, seed=2)
    assert subset(entries, 50, seed=1) == entries
