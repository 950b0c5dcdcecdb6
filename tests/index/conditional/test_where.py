import pytest

from stages.index.conditional.where import among, where_of

DUTCH = among("Culture", ["Dutch"])
PRINTS = among("Medium", ["prints", "drawings", "prints"])


def test_filters_are_values() -> None:
    assert among("Medium", iter(["drawings", "prints"])) == PRINTS
    assert len({DUTCH & PRINTS, DUTCH & PRINTS, DUTCH | PRINTS, ~DUTCH}) == 3
    assert repr(DUTCH & ~PRINTS) == "(among('Culture', ['Dutch']) & ~among('Medium', ['drawings', 'prints']))"
    assert repr(DUTCH | PRINTS).count("|") == 1


def test_a_mapping_is_read_as_and() -> None:
    assert where_of({"Culture": ["Dutch"], "Medium": ["prints", "drawings"]}) == (DUTCH & PRINTS)
    assert where_of({"Culture": ["Dutch"]}) == DUTCH
    assert where_of({}) is None


@pytest.mark.parametrize("labels", ["Dutch", [1, 2]])
def test_labels_are_lists_of_strings(labels: object) -> None:
    with pytest.raises(TypeError, match="Culture: labels are a list of strings"):
        among("Culture", labels)  # type: ignore[arg-type]


def test_python_words_are_refused() -> None:
    with pytest.raises(TypeError, match=r"&, \| and ~"):
        _ = DUTCH and PRINTS
    with pytest.raises(TypeError):
        _ = DUTCH & "prints"  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = "prints" | DUTCH  # type: ignore[operator]
