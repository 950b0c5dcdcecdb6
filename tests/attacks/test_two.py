"""The same command twice at once, in small; trainings too: `python -m attacks.two`."""

from pathlib import Path

import pytest

from attacks.two import attack

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", ["repro", "download"])
def test_two_at_once_leave_what_one_would(case: str, tmp_path: Path) -> None:
    assert attack(tmp_path, (case,)) == {case: []}
