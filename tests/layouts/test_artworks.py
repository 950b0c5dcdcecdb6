"""The layout `artworks`: tables of every form, pictures from everywhere, and what does not come."""

import csv
import gzip
import json
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import fsspec
import pytest

from stages.core.archive import ABSENT, ArchiveReader, Entry, write_tar, write_zip
from stages.core.errors import UserError
from stages.core.files import hash_json
from stages.fetch import objects
from stages.layouts import artworks
from stages.layouts.base import Layout
from tests.conftest import ROOT, environment
from tests.museum import Museum, image, museum

HEAD = ("id", "Title", "Thumbnail_Url", "Culture")
Rows = list[tuple[str, str, str, str]]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Museum]:
    monkeypatch.setattr(objects, "WAIT", 0.001)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with museum() as server:
        yield server


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def written(path: Path, rows: Rows, head: tuple[str, ...] = HEAD) -> Path:
    """Write a table as its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = path.name.removesuffix(".gz")
    if form.endswith("jsonl"):
        text = "".join(json.dumps(dict(zip(head, row, strict=True))) + "\n" for row in rows)
    else:
        mark = "," if form.endswith("csv") else "\t"
        text = "".join(mark.join(line) + "\n" for line in [head, *rows])
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def collect(published: Path, home: str | None = None, trusted: bool = True, **keys: object) -> Path:
    """Collect what a table names, as fetch does; return the raw folder."""
    folder = published.parent / f"raw-{published.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy = Path(shutil.copy(published, folder))
    given = {"root": "cache", "timeout": 5, **keys}
    artworks.collect(copy, folder, list, trusted, home or str(published), **given)  # type: ignore[arg-type]
    return folder


def kept(folder: Path) -> dict[str, bytes]:
    """Return member → bytes of the pictures that came."""
    found = artworks.entries(folder / "images.zip", folder)
    with closing(ArchiveReader()) as reader:
        return {entry.path: reader.read(entry) for entry in found if not entry.unwanted}


def failed(folder: Path) -> dict[str, str]:
    """Return id, or row where there is none, → reason."""
    file = folder / "failed.csv"
    if not file.exists():
        return {}
    with file.open(newline="") as lines:
        return {row["id"] or row["row"]: row["reason"] for row in csv.DictReader(lines)}


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.ndjson.jsonl", "a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
def test_a_table_of_every_form_becomes_an_archive(name: str, desk: Museum, tmp_path: Path) -> None:
    rows = [(str(n), f"Title {n}", f"{desk.url}/ok/{n}.jpg", "dutch") for n in (1, 2)]
    folder = collect(written(tmp_path / name, rows))
    assert kept(folder) == {"images/1.jpg": image(1), "images/2.jpg": image(2)}
    assert {file.name for file in folder.iterdir()} == {"images.zip", name}
    assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    found = dict(artworks.metadata(folder / "images.zip"))
    assert found["images/2.jpg"] == dict(zip(HEAD, rows[1], strict=True))
    assert all("Bestiary" in agent for agent in desk.agents)


def test_the_same_table_makes_the_same_archive(desk: Museum, tmp_path: Path) -> None:
    table = written(
        tmp_path / "a.tsv", [("1", "a", f"{desk.url}/ok/1.jpg", ""), ("2", "b", f"{desk.url}/gone/2.jpg", "")]
    )
    once, again = ((collect(table) / "images.zip").read_bytes() for _ in range(2))
    assert once == again


def test_columns_may_have_other_names(desk: Museum, tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", [("1", "t", f"{desk.url}/ok/1.jpg", "c")], ("number", "t", "picture", "people"))
    folder = collect(table, id="number", image="picture", label="people")
    (entry,) = artworks.entries(folder / "images.zip", folder, label="people")
    assert (entry.path, entry.label) == ("images/1.jpg", "c")
    with pytest.raises(UserError, match=r"row 1: no column id, Thumbnail_Url; there is number, t, picture, people"):
        artworks.items(table)
    with pytest.raises(UserError, match=r"fetch\.layout\.label: unknown name 'peeple'; did you mean people"):
        artworks.entries(folder / "images.zip", folder, label="peeple")


def test_a_row_without_a_class_is_not_labelled(desk: Museum, tmp_path: Path) -> None:
    rows = [(str(n), "", f"{desk.url}/ok/{n}.jpg", culture) for n, culture in enumerate(["dutch", " ", "french"])]
    folder = collect(written(tmp_path / "a.tsv", rows), label="Culture")
    found = artworks.entries(folder / "images.zip", folder, label="Culture")
    assert [entry.label for entry in found] == ["dutch", None, "french"]
    assert [entry.label for entry in artworks.entries(folder / "images.zip", folder)] == [None] * 3


def test_what_is_wrong_with_a_row_drops_it_with_the_reason(desk: Museum, tmp_path: Path) -> None:
    rows = [
        ("1", "good", f"{desk.url}/ok/1.jpg", ""),
        ("", "no id", f"{desk.url}/ok/2.jpg", ""),
        ("3", "no address", " ", ""),
        ("1", "twice", f"{desk.url}/ok/4.jpg", ""),
        ("5", "no scheme", "gopher://museum/5.jpg", ""),
        ("6", "no host", "http:///6.jpg", ""),
        ("7", "broken host", "http://[::1/7.jpg", ""),
        ("8", "broken bucket", "s3://[8/8.jpg", ""),
    ]
    folder = collect(written(tmp_path / "a.tsv", rows))
    assert list(kept(folder).values()) == [image(1)]
    found = artworks.entries(folder / "images.zip", folder)
    assert [(entry.path, entry.remark) for entry in found[1:4]] == [
        ("row 3", "no id"), ("3", "no Thumbnail_Url"), ("1", "id as in row 2"),
    ]  # fmt: skip
    assert all(entry.unwanted and entry.index == ABSENT and entry.label is None for entry in found[1:])
    reasons = failed(folder)
    assert reasons["5"].startswith("gopher:// is not known; allowed: http(s)://")
    assert {"3", "5", "6", "7", "8"} <= set(reasons)
    assert len(desk.asked) == 1


NAMES = {
    "plain-1.a": "plain-1.a", "with space": "with space", "naïve 作品": "naïve 作品",
    **dict.fromkeys(["../up", "a/b", ".hidden", "c:d", "a\\b", "x" * 201, "nul\x07", "..", "*"]),
}  # fmt: skip


def test_an_id_that_is_no_file_name_is_hashed(desk: Museum, tmp_path: Path) -> None:
    rows = [(name, "", f"{desk.url}/ok/{n}.jpg", "") for n, name in enumerate(NAMES)]
    folder = collect(written(tmp_path / "a.tsv", rows))
    expected = [f"images/{plain or hash_json(name)}.jpg" for name, plain in NAMES.items()]
    assert list(kept(folder)) == expected


FAULTS = {
    "missing": r"not found",
    "forbidden": r"not allowed \(403",
    "page": r"a page \(HTML or XML\), no picture",
    "text": r"not one of jpg, png",
    "empty": r"empty",
    "down": r"gave up after 3 attempts; run again to go on: 500",
    "cut": r"gave up after 3 attempts; run again to go on: .*(40 of|bytes|failed)",
    "large": r"larger than 1 MB$",
    "endless": r"larger than 1 MB$",
    "drip": r"gave up after 3 attempts; run again to go on: not complete after 0\.4 s$",
    "head": r"gave up after 3 attempts; run again to go on: the connection failed",
    "circle": r"Exceeded 5 redirects",
}
ASKED = {"down": 3, "cut": 3, "drip": 3, "head": 3, "circle": 6}


@pytest.mark.parametrize("how", FAULTS)
def test_a_picture_that_does_not_come_is_listed_with_the_reason(how: str, desk: Museum, tmp_path: Path) -> None:
    rows = [("1", "", f"{desk.url}/{how}/1.jpg", ""), ("2", "", f"{desk.url}/ok/2.jpg", "")]
    start = time.monotonic()
    folder = collect(written(tmp_path / "a.tsv", rows), timeout=0.4, max_mb=1)
    assert time.monotonic() - start < 20
    assert list(kept(folder)) == ["images/2.jpg"]
    assert re.match(FAULTS[how], failed(folder)["1"]), failed(folder)
    assert "0x" not in failed(folder)["1"]
    assert desk.asked[f"/{how}/1.jpg"] == ASKED.get(how, 1)


def test_a_reason_holds_no_secret(desk: Museum, tmp_path: Path) -> None:
    address = "http://me:hunter2@127.0.0.1:99999/2.jpg?sig=abc"
    folder = collect(written(tmp_path / "a.tsv", [("1", "", f"{desk.url}/ok/1.jpg", ""), ("2", "", address, "")]))
    assert failed(folder)["2"] == "Failed to parse: …"
    assert "hunter2" not in (folder / "failed.csv").read_text()


@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz"])
def test_a_signature_that_fetches_a_picture_stays_nowhere(suffix: str, desk: Museum, tmp_path: Path) -> None:
    signed = f"{desk.url}/ok/1.jpg?id=7&X-Amz-Signature=canary".replace("http://", "http://me:canary@")
    plain = written(tmp_path / "a.tsv", [("1", "", signed, "")])
    if suffix.endswith("gz"):
        (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    folder = collect(tmp_path / f"a.{suffix}")
    assert list(kept(folder)) == ["images/1.jpg"]
    tables = [file for file in folder.iterdir() if "tsv" in file.name]
    texts = [gzip.decompress(file.read_bytes()) if suffix.endswith("gz") else file.read_bytes() for file in tables]
    with zipfile.ZipFile(folder / "images.zip") as archive:
        texts.append(archive.read("metadata.jsonl"))
    assert texts
    assert all(b"canary" not in text and b"/ok/1.jpg?id=7" in text for text in texts)


@pytest.mark.parametrize("how", ["once", "reset", "busy", "moved"])
def test_a_passing_fault_is_asked_again(how: str, desk: Museum, tmp_path: Path) -> None:
    folder = collect(written(tmp_path / "a.tsv", [("1", "", f"{desk.url}/{how}/1.jpg", "")]))
    assert kept(folder) == {"images/1.jpg": image(1)}
    assert desk.asked.total() == 2


def test_a_server_that_wishes_to_be_asked_later_is(desk: Museum, tmp_path: Path) -> None:
    collect(written(tmp_path / "a.tsv", [("1", "", f"{desk.url}/busy/1.jpg", "")]))
    first, second = desk.times["/busy/1.jpg"]
    assert second - first >= 1


def test_no_more_than_allowed_are_asked_of_one_server(desk: Museum, tmp_path: Path) -> None:
    desk.pause = 0.02
    rows = [(str(n), "", f"{desk.url}/ok/{n}.jpg", "") for n in range(40)]
    collect(written(tmp_path / "a.tsv", rows), per_host=3, workers=16)
    assert desk.busiest == 3
    with museum() as other:
        other.pause = 0.02
        desk.busiest = 0
        both = [(str(n), "", f"{(desk, other)[n // 40].url}/ok/{100 + n}.jpg", "") for n in range(80)]
        start = time.monotonic()
        collect(written(tmp_path / "b.tsv", both), per_host=3, workers=16)
        assert (desk.busiest, other.busiest) == (3, 3)
        assert other.times["/ok/140.jpg"][0] < max(desk.times["/ok/139.jpg"]), "a busy server holds up no other"
        assert time.monotonic() - start < 20


def test_what_is_there_is_not_asked_for_again(desk: Museum, tmp_path: Path) -> None:
    rows = [(str(n), "", f"{desk.url}/{'ok' if n % 4 else 'down'}/{n}.jpg", "") for n in range(20)]
    rows += [("twin", "", f"{desk.url}/ok/1.jpg", "")]
    table = written(tmp_path / "a.tsv", rows)
    first = collect(table, attempts=1)
    assert len(kept(first)) == 16
    assert desk.asked.most_common(1)[0][1] == 1, "two rows that name one picture fetch it once"
    desk.asked.clear()
    again = collect(table, attempts=1)
    assert set(desk.asked) == {f"/down/{n}.jpg" for n in range(0, 20, 4)}
    assert kept(again) == kept(first)
    shutil.rmtree(tmp_path / "cache")
    assert kept(collect(table, attempts=1)) == kept(first)


def test_where_nothing_came_it_is_an_error(desk: Museum, tmp_path: Path) -> None:
    rows = [(str(n), "", f"{desk.url}/{'missing' if n else 'page'}/{n}.jpg", "") for n in range(3)]
    with pytest.raises(UserError, match=r"a\.tsv: not one of 3 pictures could be had: not found \(2\), a page"):
        collect(written(tmp_path / "a.tsv", rows))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.tsv", "id\tThumbnail_Url\n1\n", "a.tsv, row 2: 1 values for 2 columns"),
        ("a.tsv", "id\tid\tThumbnail_Url\n", "row 1: a column stands there twice"),
        ("a.csv", "id,Thumbnail_Url\n", "no row in it; expected the columns id and Thumbnail_Url"),
        ("a.csv", "", "row 1: no column id, Thumbnail_Url; there is nothing"),
        ("a.csv", 'id,Thumbnail_Url\n1,"x\n', "a.csv, before row 3: no CSV"),
        ("a.jsonl", '{"id": 1}\n', "row 1: no column Thumbnail_Url; there is id"),
        ("a.jsonl", '{"id": 1, "Thumbnail_Url": "x"}\n[1]\n', "a.jsonl, row 2: a list; each line must be an object"),
        ("a.jsonl", '{"id": 1, "Thumbnail_Url": "x"}\n\n{"id\n', "a.jsonl, row 3: no JSON"),
        ("a.jsonl", b'{"id": "\xff"}\n', "a.jsonl: not in UTF-8"),
        ("a.jsonl", '{"id": "1", "Thumbnail_Url": "\\ud800"}\n', "a.jsonl, row 1: no JSON ('utf-8' codec"),
        ("a.jsonl", '{"id": ' + "[" * 100_000, "a.jsonl, row 1: no JSON"),
        ("a.tsv", b"id\tThumbnail_Url\n\xff\t\n", "a.tsv, after row 0: not in UTF-8"),
        ("a.tsv.gz", b"\x1f\x8b\x08\x00half", "a.tsv.gz: damaged, or only a part of it"),
        ("a.txt", "id\tThumbnail_Url\n", "a.txt: neither a table (.csv, .tsv, .tab, .jsonl, .ndjson, .gz of these)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(name: str, content: str | bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError) as caught:
        artworks.items(file)
    assert says in str(caught.value)


def test_a_tsv_may_quote_or_not(tmp_path: Path) -> None:
    plain = tmp_path / "a.tsv"
    plain.write_text('id\tTitle\tThumbnail_Url\n1\t"Kakiemon" bowl\tx\n2\t"Untitled\tx\n3\t5" high\tx\n')
    assert [item.row.values["Title"] for item in artworks.items(plain)] == ['"Kakiemon" bowl', '"Untitled', '5" high']
    plain.write_text('id\tTitle\tThumbnail_Url\n1\t"a\ttab and ""quotes"""\tx\n')
    assert artworks.items(plain)[0].row.values["Title"] == 'a\ttab and "quotes"'


def test_values_that_are_no_text_become_it(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [
        {"id": 7, "Thumbnail_Url": "x", "tags": ["é", 1]},
        {"id": 8, "Thumbnail_Url": "y", "more": None, "on": True},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    one, other = (item.row.values for item in artworks.items(file))
    assert one == {"id": "7", "Thumbnail_Url": "x", "tags": '["é", 1]', "more": "", "on": ""}
    assert other == {"id": "8", "Thumbnail_Url": "y", "tags": "", "more": "", "on": "true"}


@pytest.mark.parametrize(
    ("key", "value"), [("workers", 0), ("per_host", 0), ("attempts", 0), ("timeout", 0), ("max_mb", -1)]
)
def test_a_key_out_of_range_is_refused(key: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"fetch\.layout\.{key}: {value} is out of range; it must be"):
        collect(written(tmp_path / "a.tsv", [("1", "", "x.jpg", "")]), **{key: value})


def test_pictures_on_this_disk_are_found(tmp_path: Path) -> None:
    for place in ("shelf/art/near.jpg", "here.jpg", "with space.jpg", "away/far.jpg"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(image(place))
    (tmp_path / "shelf/page.jpg").write_bytes(b"<html>")
    (tmp_path / "shelf/huge.jpg").write_bytes(image(1) + bytes(2**20))
    far = tmp_path / "away/far.jpg"
    places = {
        "relative": "art/near.jpg", "project": "file:here.jpg", "quoted": "file:with%20space.jpg",
        "absolute": str(far), "url": f"file://{far}", "short": f"file:{far}", "up": "../here.jpg",
        "none": "art/none.jpg", "folder": "art", "page": "page.jpg", "huge": "huge.jpg",
        "device": "file:/dev/zero", "nul": "a\0b.jpg",
    }  # fmt: skip
    table = written(tmp_path / "shelf/a.tsv", [(name, "", place, "") for name, place in places.items()])
    folder = collect(table, max_mb=1)
    assert {name.removeprefix("images/").removesuffix(".jpg"): content for name, content in kept(folder).items()} == {
        "relative": image("shelf/art/near.jpg"), "project": image("here.jpg"), "quoted": image("with space.jpg"),
        "absolute": image("away/far.jpg"), "url": image("away/far.jpg"), "short": image("away/far.jpg"),
        "up": image("here.jpg"),
    }  # fmt: skip
    reasons = failed(folder)
    assert reasons["none"] == "no such file"
    assert reasons["folder"] == "Is a directory"
    assert reasons["device"] == "a device or a pipe, no file"
    assert reasons["nul"].startswith("no path of a file")
    assert "no picture" in reasons["page"]
    assert reasons["huge"] == "larger than 1 MB"
    assert not any(str(tmp_path) in reason for reason in reasons.values())


def test_a_table_from_elsewhere_names_no_file_of_this_disk(desk: Museum, tmp_path: Path) -> None:
    rows = [
        ("1", "", "file:/etc/hostname", ""),
        ("2", "", "FILE:a.jpg", ""),
        ("3", "", "ok/3.jpg", ""),
        ("4", "", "/ok/4.jpg", ""),
    ]
    folder = collect(written(tmp_path / "a.tsv", rows), home=f"{desk.url}/a.tsv", trusted=False)
    assert list(kept(folder).values()) == [image(3), image(4)]
    assert failed(folder)["1"] == failed(folder)["2"]
    assert "a file of this disk, and the table came from elsewhere" in failed(folder)["1"]


def test_pictures_in_buckets_are_found(bucket: str, tmp_path: Path) -> None:
    files, base = fsspec.core.url_to_fs(bucket)
    for n in range(3):
        files.pipe_file(f"{base}/sub/{n}.jpg", image(n))
    scheme = bucket.partition("://")[0]
    rows = [(str(n), "", f"{scheme}://{base}/sub/{n}.jpg", "") for n in range(4)] + [("near", "", "sub/1.jpg", "")]
    folder = collect(written(tmp_path / "a.tsv", rows), home=f"{scheme}://{base}/a.tsv", trusted=False)
    assert list(kept(folder).values()) == [image(0), image(1), image(2), image(1)]
    assert failed(folder) == {"3": "not found"}


Packer = Callable[[Path, list[tuple[str, bytes]]], None]
TABLE = (
    "id\tTitle\tThumbnail_Url\n1\ta\timages/1.jpg\n2\tb\t./images/2.png\n3\tc\timages/3.jpg\n4\td\t../images/1.jpg\n"
)


@pytest.mark.parametrize(("name", "packed"), [("a.zip", write_zip), ("a.tar", write_tar)])
@pytest.mark.parametrize("top", ["", "sample/"])
def test_an_archive_with_its_table_is_taken_apart(name: str, packed: Packer, top: str, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(30)
    members = [("images/1.jpg", image(1)), ("images/2.png", png), ("metadata.tsv", TABLE.encode())]
    hidden = [("__MACOSX/._metadata.tsv", b"?")] if top else [("more/other.csv", b"?")]
    packed(tmp_path / name, [*((f"{top}{path}", content) for path, content in members), *hidden])
    folder = collect(tmp_path / name)
    assert kept(folder) == {"images/1.jpg": image(1), "images/2.png": png}
    assert failed(folder) == {"3": "not in the archive", "4": "not in the archive"}
    assert {file.name for file in folder.iterdir()} == {"images.zip", "metadata.tsv", "failed.csv"}
    assert (folder / "metadata.tsv").read_text() == TABLE
    assert len(artworks.items(tmp_path / name)) == 4


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a.tsv", "b.csv", "images/1.jpg"], "2 tables in it: a.tsv, b.csv; "),
        (["images/1.jpg", ".a.tsv"], "no table in it; expected one, .csv, .tsv"),
    ],
)
def test_an_archive_without_its_one_table_is_refused(names: list[str], says: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", [(name, b"id\tThumbnail_Url\n1\tx\n") for name in names])
    with pytest.raises(UserError) as caught:
        collect(tmp_path / "a.zip")
    assert says in str(caught.value)


def test_an_archive_called_as_ours_is_replaced(tmp_path: Path) -> None:
    """The folder `images`, packed, has the name of what is made of it."""
    write_zip(tmp_path / "images.zip", [("a.csv", b"id,Thumbnail_Url\n1,x.jpg\n"), ("x.jpg", image(1))])
    folder = collect(tmp_path / "images.zip")
    assert kept(folder) == {"images/1.jpg": image(1)}
    assert {file.name for file in folder.iterdir()} == {"images.zip", "a.csv"}


def test_a_limit_keeps_about_so_many(desk: Museum, tmp_path: Path) -> None:
    from stages.fetch.subset import subset

    rows = [(str(n), "", f"{desk.url}/ok/{n}.jpg", "ab"[n % 2]) for n in range(30)] + [("", "", "x", "")]
    table = written(tmp_path / "a.tsv", rows)
    out = tmp_path / "out"
    out.mkdir()
    copy = Path(shutil.copy(table, out))
    artworks.collect(copy, out, lambda found: subset(found, 10, 3), True, str(table), root="cache")
    assert len(kept(out)) == 10 == len(desk.asked)


def test_a_layout_knows_a_collection(desk: Museum, tmp_path: Path) -> None:
    rows = [(str(n), "", f"{desk.url}/ok/{n}.jpg", "dutch") for n in range(3)]
    folder = collect(written(tmp_path / "a.tsv", rows))
    raw = folder / "images.zip"
    collection, classes = (Layout("artworks", artworks, {"label": label}) for label in (None, "Culture"))
    assert collection.tabular
    assert len(collection.entries(raw, folder)) == 3
    assert [path for path, _ in collection.metadata(raw) or ()] == [f"images/{n}.jpg" for n in range(3)]
    with pytest.raises(UserError, match=r"every labelled picture in it is of class 'dutch'; a classifier needs two"):
        classes.entries(raw, folder)
    write_zip(raw, [("metadata.jsonl", b'{"row": 2, "id": "1", "dropped": "not found", "values": {}}\n')])
    with pytest.raises(UserError, match=r"no labelled picture in it; layout artworks expects a table"):
        collection.entries(raw, folder)
    assert artworks.entries(raw, folder) == [Entry(raw, ABSENT, "1", None, "not found", True)]


KILLED = """
    import sys
    from pathlib import Path
    from stages.layouts import artworks
    folder = Path(sys.argv[2])
    folder.mkdir()
    copy = folder / "a.tsv"
    copy.write_bytes(Path(sys.argv[1]).read_bytes())
    artworks.collect(copy, folder, list, True, sys.argv[1], root="cache", workers=4)
"""


def test_a_killed_fetch_goes_on(desk: Museum, tmp_path: Path) -> None:
    desk.pause = 0.01
    rows = [(str(n), "", f"{desk.url}/ok/{n}.jpg", "") for n in range(300)]
    table = written(tmp_path / "a.tsv", rows)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(table), str(tmp_path / "killed")]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(DVC_ROOT=str(tmp_path)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while desk.asked.total() < 60 and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    had = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert 20 <= len(had) < 300
    desk.asked.clear()
    folder = collect(table)
    assert len(kept(folder)) == 300
    assert kept(folder)["images/7.jpg"] == image(7)
    assert len(desk.asked) == desk.asked.total() == 300 - len(had)


@pytest.mark.slow
def test_thousands_with_one_fault_in_twenty(desk: Museum, tmp_path: Path) -> None:
    """Permanent and passing ones: every good picture comes, memory stays flat, a rerun asks for what is missing."""
    lasting, passing = ("missing", "page", "down", "cut"), ("once", "reset")
    kinds = [
        lasting[n // 40 % 4] if n % 40 == 0 else passing[n // 40 % 2] if n % 40 == 1 else "ok" for n in range(4_000)
    ]
    rows = [(str(n), f"Title {n}", f"{desk.url}/{kind}/{n}.jpg", "") for n, kind in enumerate(kinds)]
    table = written(tmp_path / "a.tsv", rows)
    small = written(tmp_path / "small.tsv", [(f"s{n}", "", f"{desk.url}/ok/s{n}.jpg", "") for n in range(100)])
    base, peak = peaks(tmp_path, small), peaks(tmp_path, table)
    good = {f"images/{n}.jpg" for n, kind in enumerate(kinds) if kind not in lasting}
    assert peak - base < 40 * 2**10, f"{base} and {peak} KB"
    desk.asked.clear()
    folder = collect(table, per_host=32)
    assert set(kept(folder)) == good
    assert len(failed(folder)) == 100
    assert set(desk.asked) == {f"/{kind}/{n}.jpg" for n, kind in enumerate(kinds) if kind in lasting}


def peaks(tmp_path: Path, table: Path) -> int:
    """Collect in a process of its own; return the most memory that it took, KB."""
    code = (
        textwrap.dedent(KILLED) + "import resource; print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [
        sys.executable,
        "-c",
        code.replace("workers=4", "per_host=32"),
        str(table),
        str(tmp_path / f"at-{table.name}"),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(DVC_ROOT=str(tmp_path)), capture_output=True, text=True, check=True
    )
    return int(done.stdout.rpartition("peak ")[2])
