"""Stages on disks that are full or read-only, in small; all of them: `python -m attacks.disk --dvc`."""

from pathlib import Path

import pytest

from attacks.disk import NotPermitted, attack

pytestmark = pytest.mark.slow


def test_a_disk_that_is_full_or_read_only_is_told_in_a_line_and_takes_nothing(tmp_path: Path) -> None:
    try:
        found = attack(tmp_path, ("fetch", "preprocess", "train"), ("stage",), shares=(0.5,))
    except NotPermitted as error:
        pytest.skip(f"mounting is not permitted: {error}")
    assert found == {"fetch": [], "preprocess": [], "train": []}
