from pathlib import Path

import pytest

from stages.core import system

KIB = "MemTotal: 4 kB\n"


@pytest.mark.parametrize(
    ("limit", "installed", "memory"),
    [("1000", KIB, 1000), ("max", KIB, 4096), ("9999", KIB, 4096), ("", "", None)],
)
def test_memory_is_what_is_installed_or_a_groups_limit(
    limit: str, installed: str, memory: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "meminfo").write_text(installed)
    monkeypatch.setattr(system, "CGROUP", tmp_path)
    monkeypatch.setattr(system, "MEMINFO", tmp_path / "meminfo")
    assert system.total_memory() == memory
