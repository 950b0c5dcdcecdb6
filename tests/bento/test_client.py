"""The client at the command line, against a real server on loopback."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bento.client import main, table
from bento.desk import Desk
from bento.settings import settings
from tests.artworks import artworks, collection, draw
from tests.conftest import encoded, photo
from tests.services import listening


@pytest.fixture(scope="module")
def server(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    index = collection(tmp_path_factory.mktemp("indexes") / "mosaic", artworks(30))
    with listening(Desk(replace(settings(), threads=1), package, ["base_cnn"], [index])) as found:
        yield f"http://{found}"


@pytest.fixture
def picture(tmp_path: Path) -> str:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(draw(900, "french", "prints")))
    return str(file)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(words) == status
    out, err = capsys.readouterr()
    assert bool(out) != bool(err)
    assert (err.count("\n") == 1) == bool(status)
    return out or err


def test_similar_artworks_are_a_table(server: str, picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    head, *lines = said(capsys, "similar", picture, "--n", "4", "--culture", "french", "--server", server).splitlines()
    assert head.split() == ["score", "id", "Title", "Artist", "Culture", "Classification", "Museum"]
    assert len(lines) == 4
    assert all("french" in line and line.startswith(("0.", "1.")) for line in lines)
    assert max(map(len, lines)) <= 100


def test_an_artwork_is_named_by_its_id_and_json_is_what_the_service_says(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--where", "museum=east", "--except", "culture=Dutch", "--index", "mosaic", "--server", f"{server}/"]
    found = json.loads(said(capsys, "similar", "m4", "--json", *words))["results"]
    assert len(found) == 10
    assert {(row["Museum"], row["Culture"] == "Dutch") for row, _ in found} == {("East", False)}
    one = json.loads(said(capsys, "similar", "m4", "--json", "--classification", "prints", "--server", server))
    assert {row["Classification"] for row, _ in one["results"]} == {"prints"}


def test_a_model_says_what_it_sees(
    server: str, picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "b.jpg"
    other.write_bytes(encoded(photo(), "JPEG"))
    head, *lines = said(capsys, "classify", "base_cnn", picture, str(other), "--server", server).splitlines()
    assert head.split() == ["image", "best", "second"]
    assert len(lines) == 2
    assert all(line.count("%") == 2 for line in lines)
    found = json.loads(said(capsys, "classify", "base_cnn", picture, "--json", "--server", server))
    assert (found[0]["image"], len(found[0]["labels"])) == (picture, 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["similar", "nobody"], "id: 'nobody' is none of the 30 pictures of mosaic"),
        (["similar", "x" * 300], "id: 'xxx"),
        (["similar", "m1", "--culture", "dutsch"], "Culture: unknown label 'dutsch'; did you mean Dutch?"),
        (["similar", "m1", "--where", "Museum"], "Museum: say COLUMN=LABEL"),
        (["similar", "m1", "--n", "0"], "n: '0' is not a whole number from 1 to 100"),
        (["similar", "m1", "--index", "other"], "Index not found: other. There are: mosaic"),
        (["similar", "http://127.0.0.1/"], "url: 127.0.0.1 is not a public host"),
        (["classify", "vgg", __file__], "Model not found: vgg. There are: base_cnn"),
        (["classify", "base_cnn", __file__], "not one of JPEG"),
        (["classify", "base_cnn", "/nowhere.jpg"], "/nowhere.jpg: No such file or directory"),
    ],
)
def test_errors_are_one_line(words: list[str], expected: str, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in said(capsys, *words, "--server", server, status=1)


def test_no_service_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = said(capsys, "similar", "m1", "--server", f"http://127.0.0.1:{port}", status=1)
    assert f"http://127.0.0.1:{port}: no service of Bestiary answers" in found
    for address in ("nonsense", "http://localhost:3x0"):
        assert "no service" in said(capsys, "similar", "m1", "--server", address, status=1)


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert table(["a", "b", "c"], [["1", "x" * 50, "z" * 50], ["2", "y\n\x1by", "z"]]).splitlines() == [
        "a  b",
        f"1  {'x' * 26}…",
        "2  y y",
    ]
