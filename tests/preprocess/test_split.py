from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Split
from stages.core.errors import UserError
from stages.preprocess.split import assign, leaks, require_pictures, require_test

FRACTIONS = Split(train=0.7, val=0.1, test=0.2)
OFFICIAL = Split(train=0.9, val=0.1, test=0.0)
STRENGTH = {None: 0, "train": 0, "val": 1, "test": 2}
PICTURES = st.lists(st.tuples(st.integers(0, 30).map(str), st.sampled_from(["cat", "dog", None])), max_size=80)


@given(PICTURES, st.integers(0, 5))
def test_identical_pictures_share_a_split(pictures: list[tuple[str, str | None]], seed: int) -> None:
    found = assign([p[0] for p in pictures], [p[1] for p in pictures], FRACTIONS, seed)
    seen: dict[str, str] = {}
    for (digest, label), split in zip(pictures, found, strict=True):
        assert (split == "unlabelled") == (label is None)
        if label is not None:
            assert seen.setdefault(digest, split) == split


def test_splits_are_stratified_and_seeded() -> None:
    digests = [f"{number:04d}" for number in range(1000)]
    labels = ["cat" if number < 800 else "dog" for number in range(1000)]
    found = assign(digests, labels, FRACTIONS, seed=3)
    assert Counter(zip(labels, found, strict=True)) == {
        ("cat", "train"): 560, ("cat", "val"): 80, ("cat", "test"): 160,
        ("dog", "train"): 140, ("dog", "val"): 20, ("dog", "test"): 40,
    }  # fmt: skip
    assert found == assign(digests, labels, FRACTIONS, seed=3) != assign(digests, labels, FRACTIONS, seed=4)


def test_a_picture_keeps_its_split_whatever_its_place() -> None:
    digests = [f"{number:04d}" for number in range(100)]
    forward = dict(zip(digests, assign(digests, ["cat"] * 100, FRACTIONS, 1), strict=True))
    backward = dict(zip(digests[::-1], assign(digests[::-1], ["cat"] * 100, FRACTIONS, 1), strict=True))
    assert forward == backward


def test_small_classes_reach_every_split() -> None:
    assert set(assign(["a", "b", "c"], ["cat"] * 3, FRACTIONS, 0)) == {"train", "val", "test"}


PUBLISHED = st.lists(
    st.tuples(
        st.integers(0, 15).map(str),
        st.sampled_from(["cat", "dog", None]),
        st.sampled_from([None, "train", "val", "test"]),
    ),
    max_size=80,
)


@given(PUBLISHED, st.integers(0, 5))
def test_a_published_split_is_kept_and_no_content_is_in_two(
    pictures: list[tuple[str, str | None, str | None]], seed: int
) -> None:
    digests, labels, published = ([picture[part] for picture in pictures] for part in range(3))
    found = assign(digests, labels, FRACTIONS, seed, published)
    gone = leaks(digests, labels, published)
    kept: dict[str, set[str]] = {}
    for digest, label, own, split, why in zip(digests, labels, published, found, gone, strict=True):
        strongest = max(STRENGTH[p] for d, lab, p in pictures if d == digest and lab) if label else 0
        assert (split == "unlabelled") == (label is None)
        assert (why is not None) == (label is not None and STRENGTH[own] < strongest)
        if label is not None and why is None:
            kept.setdefault(digest, set()).add(split)
            assert own not in ("val", "test") or split == own
    assert all(len(splits) == 1 for splits in kept.values())


@given(PUBLISHED, st.integers(0, 5))
def test_what_is_published_is_not_cut_again(pictures: list[tuple[str, str | None, str | None]], seed: int) -> None:
    digests, labels, published = ([picture[part] for picture in pictures] for part in range(3))
    found = assign(digests, labels, FRACTIONS, seed, published)
    fixed = {d: max((p for e, lab, p in pictures if e == d and lab), key=lambda p: STRENGTH[p]) for d in digests if d in
             {e for e, lab, _ in pictures if lab}}  # fmt: skip
    for name in {"val", "test"} & set(fixed.values()):
        assert all(fixed[digest] == name for digest, split in zip(digests, found, strict=True) if split == name), (
            "nothing from the pool joins it"
        )


def test_without_published_splits_nothing_has_changed() -> None:
    digests = [f"{number:03d}" for number in range(300)]
    labels = ["cat" if number % 3 else "dog" for number in range(300)]
    first = assign(digests, labels, FRACTIONS, 1)
    assert first == assign(digests, labels, FRACTIONS, 1, [None] * 300)
    assert first == assign(digests, labels, FRACTIONS, 1, ["train"] * 300)
    assert not any(leaks(digests, labels, [None] * 300))


def test_validation_is_cut_from_what_is_published_for_training_in_every_class() -> None:
    digests = [f"{number:04d}" for number in range(400)]
    labels = ["pug" if number % 2 else "beagle" for number in range(400)]
    published = ["train" if number < 200 else "test" for number in range(400)]
    found = assign(digests, labels, OFFICIAL, 3, published)
    assert Counter(zip(labels, found, strict=True)) == {
        (label, split): count
        for label in ("pug", "beagle")
        for split, count in (("train", 90), ("val", 10), ("test", 100))
    }
    assert found[200:] == ["test"] * 200
    halves = Split(train=0.4, val=0.4, test=0.2)
    assert Counter(assign(digests, labels, halves, 3, published)) == {"train": 100, "val": 100, "test": 200}


def test_test_is_cut_where_only_validation_is_published() -> None:
    published = ["val"] * 20 + [None] * 80
    found = assign([str(n) for n in range(100)], ["cat"] * 100, Split(train=0.6, val=0.2, test=0.2), 0, published)
    assert Counter(found) == {"train": 60, "val": 20, "test": 20}


def test_a_leak_says_into_which_split() -> None:
    found = leaks(["a"] * 4 + ["b", "b"], ["cat"] * 6, ["train", "test", "val", None, "val", "train"])
    test, val = (f"identical to a picture of the {name} split" for name in ("test", "val"))
    assert found == [test, None, test, test, None, val]


def test_without_any_test_split_it_says_what_to_write() -> None:
    require_test(["train", "test"], OFFICIAL, "here")
    require_test([None], FRACTIONS, "here")
    with pytest.raises(UserError, match=r"here\.test: 0, and no test split is published; say here\.train=0\.8"):
        require_test(["train", None], OFFICIAL, "here")


def test_each_empty_split_is_named_with_the_counts() -> None:
    with pytest.raises(
        UserError, match=r"here: no picture in val and test \(train 2, val 0, test 0\); .*fractions in here"
    ):
        require_pictures({"train": {"cat": 1, "dog": 1}, "val": {}, "test": {}}, ["cat", "dog"], "here")


def test_many_classes_without_training_are_counted_and_a_few_named() -> None:
    labels = [f"{number:03d}" for number in range(50)]
    splits = {"train": {"000": 1}, "val": {"000": 1}, "test": dict.fromkeys(labels, 1)}
    with pytest.raises(UserError, match=r"in 49 of 50 classes: '001', .*'020', …; every class needs one"):
        require_pictures(splits, labels, "here")
