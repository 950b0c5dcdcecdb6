import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.package.gate import Trial, refuse_untested
from stages.preprocess.store import Split

COUNTS = st.integers(0, 40)


def trial(images: int, lost: int, gained: int) -> Trial:
    return Trial(images, images // 2, lost, gained, lost + gained, 0.1)


def split(*labels: int) -> Split:
    return Split(np.zeros((len(labels), 4, 4, 3), np.uint8), np.array(labels, np.int64), ["picture"] * len(labels))


def test_only_the_balance_of_lost_and_gained_answers_is_a_drop() -> None:
    assert trial(200, 3, 1).drop == pytest.approx(1.0)
    assert trial(200, 1, 3).drop == pytest.approx(-1.0)
    found = trial(200, 3, 1).record
    assert (found["accuracy_fp32"], found["accuracy"], found["changed_answers"]) == (0.5, 0.49, 4)


def test_the_interval_is_the_published_one() -> None:
    """Agresti and Min (2005): two added pairs, half of one lost, half of one gained."""
    count, lost, gained = 102, 8.5, 3.5
    mean = (lost - gained) / count
    half = 1.96 * ((lost + gained) / count - mean**2) ** 0.5 / count**0.5
    assert trial(100, 8, 3).interval == pytest.approx((100 * (mean - half), 100 * (mean + half)))


@given(lost=COUNTS, gained=COUNTS, images=st.integers(80, 5000))
def test_the_interval_is_honest(lost: int, gained: int, images: int) -> None:
    low, high = trial(images, lost, gained).interval
    assert low < trial(images, lost, gained).drop * images / (images + 2) < high
    assert trial(images, gained, lost).interval == pytest.approx((-high, -low)), "who is called better is no matter"
    wider = trial(images, lost + 1, gained + 1).interval
    assert wider[1] - wider[0] > high - low, "each changed answer is a doubt, though the drop is the same"


def test_few_images_say_little_even_where_no_answer_changed() -> None:
    low, high = trial(180, 0, 0).interval
    assert -1.2 < low < -1.0
    assert 1.0 < high < 1.2


def test_a_person_reads_what_changed() -> None:
    assert trial(200, 3, 1).words.startswith("test accuracy 50.0% → 49.0%: -1.00 points (95 %: -3.")
    assert trial(200, 3, 1).words.endswith("4 of 200 answers changed")
    assert ": +0.00 points" in trial(200, 1, 1).words


@pytest.mark.parametrize("labels", [(), (-1, -1)])
def test_without_labelled_test_images_it_is_not_tried(labels: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"models\.m\.package\.quantize: .*datasets\.kaggle\.preprocess\.split\.test"):
        refuse_untested("models.m.package.quantize", "kaggle", split(*labels))


def test_with_them_it_is() -> None:
    refuse_untested("models.m.package.quantize", "kaggle", split(-1, 1))
