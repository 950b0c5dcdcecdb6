"""The driver that kills, in small; longer: `python -m attacks.kill --kills 200`."""

from pathlib import Path

import pytest

from attacks.kill import STAGES, attack
from attacks.traces import unfinished

pytestmark = pytest.mark.slow

KILLS = dict.fromkeys(STAGES, 1)
DVC = {"fetch": 0.2, "preprocess": 0.2}


def test_after_a_kill_of_each_everything_is_as_it_would_have_been(tmp_path: Path) -> None:
    found = attack(tmp_path, KILLS, seed=7, dvc=DVC)
    assert {name: outcome.wrong for name, outcome in found.items() if outcome.wrong} == {}
    assert {name: outcome.kills for name, outcome in found.items()} == KILLS
    assert unfinished(tmp_path / "broken") == 0
