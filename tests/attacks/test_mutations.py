import os
from itertools import pairwise
from pathlib import Path

import pytest

from attacks import eaten
from attacks.drawn import drawn
from attacks.formats import fields, parts
from attacks.mutations import KINDS, Mutation, mutations
from benchmarks.packages import ORDINARY, package
from stages.core.image import FORMATS, decode, header


def test_every_seed_is_whole_and_every_format_has_one() -> None:
    assert {header(data).format for data in drawn()} == set(FORMATS)
    assert {decode(data).mode for data in drawn()} == {"RGB"}


def test_the_parts_of_a_file_follow_one_another() -> None:
    for data in drawn():
        found = parts(data)
        assert len(found) > 2
        assert all(first[1] == second[0] for first, second in pairwise(found))
        assert fields(data)


def test_the_same_seed_makes_the_same_pictures() -> None:
    first, again, other = (list(mutations(drawn(), 400, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len({one.name for one in first}) == 400
    assert all(any(one.name.startswith(name) for one in first) for name, _ in KINDS)


def test_the_crafted_ones_come_first_whatever_the_seeds() -> None:
    assert list(mutations(drawn(), 3, 0)) == list(mutations([b"x"], 3, 1))


@pytest.fixture(scope="module")
def hostile() -> list[Mutation]:
    return list(mutations(drawn(), 520, 0))


@pytest.mark.slow
def test_decode_reads_or_refuses_each_in_time_and_keeps_no_memory(hostile: list[Mutation]) -> None:
    found = eaten.decoded(hostile)
    assert not found.wrong
    assert min(found.kept, found.refused) > 100


@pytest.mark.slow
def test_preprocess_keeps_or_drops_each_by_name(hostile: list[Mutation], tmp_path: Path) -> None:
    found = eaten.prepared(hostile, tmp_path)
    assert not found.wrong
    assert min(found.kept, found.refused) > 100


@pytest.mark.slow
def test_predict_answers_for_each(hostile: list[Mutation], tmp_path: Path) -> None:
    package(tmp_path, size=ORDINARY)
    found = eaten.predicted(hostile, tmp_path)
    assert not found.wrong
    assert min(found.kept, found.refused) > 100


def test_what_does_not_hold_is_said() -> None:
    assert not eaten.Eaten("x", 3, 2, 1).wrong
    assert eaten.Eaten("x", 3, 1, 1, 9, 0, 200, ["torn"]).wrong == [
        "torn", "1 kept and 1 refused of 3", "a file took 9.0 s", "memory grew by 200 MB",
    ]  # fmt: skip


def test_what_dies_is_a_fault() -> None:
    assert eaten.alone("x", 1, os._exit, 1).faults[0].startswith("BrokenProcessPool")
