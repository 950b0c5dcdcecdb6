"""The descriptions of what is served; attacks/api.py sends what they allow."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bento.desk import Desk
from bento.openapi import PROTOCOLS
from bento.settings import settings
from tests.artworks import artworks, collection
from tests.services import in_process

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


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_described_and_names_what_there_is(name: str, package: Path, desk: Desk) -> None:
    both = Desk(SETTINGS, package, ["base_cnn"])
    both.galleries = desk.galleries
    with in_process(both) as client:
        found = client.get(f"/openapi/{name}.json").json()
    assert found["openapi"] == "3.0.3"
    parts = [part for path in found["paths"].values() for part in path.get("parameters", [])]
    named = {part["name"]: part["schema"]["enum"][0] for part in parts if part["in"] == "path"}
    assert named.items() <= {"model": "base_cnn", "index": "mosaic", "version": named.get("version")}.items()
    unescaped = {part for path in found["paths"] for part in re.findall(r"{(.+?)}", path)}
    assert unescaped == set(named)


def test_a_question_in_json_is_not_longer_than_any_can_be(desk: Desk) -> None:
    with in_process(desk) as client:
        answer = client.post("/similar/mosaic", json={"query": "a" * 2**20})
    assert (answer.status_code, "more than 1 MB of JSON" in answer.text) == (400, True)
