"""Every document of the services, by schemathesis."""

from pathlib import Path

import pytest

from attacks import api
from attacks.api import DOCUMENTS, Fuzzed, attack
from attacks.service import attacked, laid_out
from benchmarks.packages import package
from tests.artworks import artworks, collection

CASES = 1000  # of 2,000 that the command sends


@pytest.mark.slow
def test_nothing_that_is_described_is_answered_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "EXAMPLES", 15)
    package(tmp_path, size=48)
    collection(tmp_path / "artifacts" / "indexes" / "mosaic", artworks(30))
    code = laid_out(tmp_path / "code", url_timeout=1.0)
    with attacked(code, tmp_path, "Bestiary") as server:
        found = attack(server.address, list(DOCUMENTS), CASES, 1, tmp_path)
    assert [(one.document, one.wrong) for one in found if one.wrong] == []
    assert sum(one.cases for one in found) >= CASES


def test_a_run_without_a_case_is_wrong() -> None:
    assert Fuzzed("/openapi/v2.json", 0, []).wrong == ["no case was made"]
