from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stages.preprocess.split import assign
from stages.schema import Split

FRACTIONS = Split(train=0.7, val=0.1, test=0.2)
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
