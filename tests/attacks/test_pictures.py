from itertools import pairwise

from attacks.drawn import drawn
from attacks.formats import fields, parts
from attacks.pictures import KINDS, mutations
from stages.preprocess.decode import FORMATS, decode, header


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


def test_some_are_read_and_some_are_not() -> None:
    assert [one.name for one in mutations(drawn(), 3, 0)] == [one.name for one in mutations([b"x"], 3, 0)]
