import time
from email.utils import formatdate

import pytest

from stages.fetch.web import LATER, later


@pytest.mark.parametrize(("wish", "seconds"), [("2", 2), ("0", 0), ("99999", LATER), (formatdate(0, usegmt=True), 0)])
def test_a_wish_is_heard_within_reason(wish: str, seconds: float) -> None:
    assert later(wish) == seconds


def test_a_wish_may_be_a_date() -> None:
    assert 0 < (later(formatdate(time.time() + 9, usegmt=True)) or 0.0) <= 9


@pytest.mark.parametrize("wish", [None, "", "soon", "-1", "1.5e9"])
def test_no_wish_is_none(wish: str | None) -> None:
    assert later(wish) is None
