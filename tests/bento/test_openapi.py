"""The descriptions of what is served, and whether what they allow can break it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bento.desk import Desk
from bento.settings import settings
from tests.artworks import artworks, collection
from tests.conftest import run
from tests.services import in_process, listening

SETTINGS = replace(settings(), threads=1, url_timeout=1.0)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    index = collection(tmp_path_factory.mktemp("indexes") / "mosaic", artworks(30))
    return Desk(SETTINGS, index, [], [index])


def test_what_can_be_searched_is_described(desk: Desk) -> None:
    with in_process(desk) as client:
        found = client.get("/openapi/similar.json").json()
        assert client.get("/openapi/v2.json").json()["info"]["title"] == "Open Inference Protocol"
    assert set(found["paths"]) == {"/similar/{index}", "/similar/{index}/thumb"}
    for path in found["paths"].values():
        assert path["parameters"][0]["schema"] == {"type": "string", "enum": ["mosaic"]}


@pytest.mark.slow
def test_no_request_that_is_described_breaks_the_search(desk: Desk, tmp_path: Path) -> None:
    """Schemathesis sends what the OpenAPI document allows, and what it does not; nothing answers 5xx."""
    with listening(desk) as address:
        checks = "not_a_server_error,response_schema_conformance"
        words = ["--url", f"http://{address}", "--checks", checks, "--max-examples", "40", "--seed", "1", "--no-color"]
        done = run("schemathesis", "run", f"http://{address}/openapi/similar.json", *words, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"(\d{3,}) generated, \1 passed", done.stdout), done.stdout[-3000:]
