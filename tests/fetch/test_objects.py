"""Objects named by a table, fetched from a real S3 server that fails one time in five, from GCS and from disk."""

import csv
import http.client
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import fsspec
import pytest

from stages.core.errors import UserError
from stages.fetch import objects
from stages.fetch.objects import Wanted, fetch_all
from stages.fetch.stores import unchanged
from stages.layouts import s3_csv

FAULTS = ("503", "cut", "reset", "garbled")
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Faulty(BaseHTTPRequestHandler):
    """Hands requests on to a store, but for a share of them answers 503, cuts or garbles the body, or hangs up."""

    protocol_version = "HTTP/1.1"
    upstream: str
    share: float
    rng: random.Random
    seen: Counter[str]

    def do_GET(self) -> None:
        target = http.client.HTTPConnection(self.upstream)
        target.request("GET", self.path, headers={k: v for k, v in self.headers.items() if k.lower() != "connection"})
        answer = target.getresponse()
        content = answer.read()
        fault = self.rng.choice(FAULTS) if self.rng.random() < self.share else str(answer.status)
        self.seen[fault] += 1
        if fault == "reset":
            self.close_connection = True
            return
        head = [(k, v) for k, v in answer.getheaders() if k.lower() not in ("content-length", "connection")]
        status, body = (503, SLOW_DOWN) if fault == "503" else (answer.status, content)
        self.send_response(status)
        for name, value in head if fault != "503" else []:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body.swapcase() if fault == "garbled" else body
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        self.close_connection = fault == "cut"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def faulty(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Faulty]]:
    """Put the faulty server between the client and the store, as the environment says."""
    Faulty.upstream, Faulty.share = urlsplit(s3).netloc, 0.2
    Faulty.rng, Faulty.seen = random.Random(5), Counter()
    monkeypatch.setattr(objects, "WAIT", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield Faulty
        server.shutdown()


@pytest.fixture
def filled(bucket: str, tmp_path: Path) -> list[Wanted]:
    """Return forty objects that lie in a bucket."""
    files, base = fsspec.core.url_to_fs(bucket)
    wanted = []
    for number in range(40):
        files.pipe_file(f"{base}/{number}.jpg", f"picture {number} ".encode() * 200)
        home, _, folder = base.partition("/")
        name = home if bucket.startswith("s3") else f"gs://{home}"
        wanted.append(Wanted(name, f"{folder}/{number}.jpg", tmp_path / "got" / f"{number}.jpg", f"row {number}"))
    return wanted


def right(wanted: list[Wanted]) -> bool:
    contents = [item.target.read_bytes() == f"picture {number} ".encode() * 200 for number, item in enumerate(wanted)]
    strays = set(wanted[0].target.parent.iterdir()) - {item.target for item in wanted}
    return all(contents) and not strays


def test_what_is_there_is_not_fetched_again_and_what_changed_is(filled: list[Wanted]) -> None:
    assert fetch_all(filled, 8) == {"fetched": 40}
    assert right(filled)
    filled[3].target.unlink()
    filled[5].target.write_bytes(b"torn")
    filled[7].target.write_bytes(filled[7].target.read_bytes().replace(b"7", b"8"))
    assert fetch_all(filled, 8) == {"fetched": 3, "there": 37}
    assert right(filled)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_one_failure_in_five_loses_nothing(filled: list[Wanted], faulty: type[Faulty]) -> None:
    start = time.monotonic()
    for _ in range(5):
        assert fetch_all(filled, 8) == {"fetched": 40}
        assert right(filled)
        for item in filled:
            item.target.unlink()
    assert time.monotonic() - start < 60
    assert set(FAULTS) <= set(faulty.seen)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_a_web_servers_failures_lose_nothing_either(
    s3: str, filled: list[Wanted], faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for bytes that are others, of which a web server gives no sign."""
    monkeypatch.setattr(faulty, "rng", random.Random(6))
    monkeypatch.setattr(f"{__name__}.FAULTS", ("503", "cut", "reset"))
    for item in filled:
        boto3.client("s3", endpoint_url=s3).put_object_acl(Bucket="pets", Key=item.key, ACL="public-read")
    base = f"{os.environ['AWS_ENDPOINT_URL']}/pets"
    wanted = [replace(item, bucket=base) for item in filled]
    assert fetch_all(wanted, 8) == {"fetched": 40}
    assert right(wanted)
    assert {"503", "cut", "reset"} <= set(faulty.seen)
    filled[3].target.write_bytes(b"torn")
    assert fetch_all(wanted, 8) == {"fetched": 1, "there": 39}
    missing = replace(wanted[0], key="nowhere.jpg", target=wanted[0].target.with_name("x.jpg"))
    with pytest.raises(UserError, match=r"nowhere\.jpg: not found"):
        fetch_all([missing], 1)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_objects_whose_etag_is_no_md5_are_known_by_size_and_age(
    filled: list[Wanted], faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As multipart and encrypted ones."""
    faulty.share, honest = 0, Faulty.send_header

    def other(self: Faulty, name: str, value: str) -> None:
        honest(self, name, '"0123-2"' if name == "ETag" else value)

    monkeypatch.setattr(faulty, "send_header", other)
    assert fetch_all(filled, 8) == {"fetched": 40}
    assert fetch_all(filled, 8) == {"there": 40}
    filled[1].target.write_bytes(b"torn")
    assert fetch_all(filled, 8) == {"fetched": 1, "there": 39}
    assert right(filled)
    now = datetime.now(UTC)
    answer = {"ETag": '"0123-2"', "ContentLength": filled[2].target.stat().st_size}
    assert unchanged(filled[2].target, {**answer, "LastModified": now - timedelta(hours=1)})
    assert not unchanged(filled[2].target, {**answer, "LastModified": now + timedelta(hours=1)})


def test_a_missing_object_is_named_at_once(filled: list[Wanted]) -> None:
    missing = Wanted(filled[0].bucket, "nowhere/x.jpg", filled[0].target.with_name("x.jpg"), "row 9 of a.csv")
    start = time.monotonic()
    with pytest.raises(UserError, match=r"nowhere/x\.jpg: not found.*bucket .*pets, key nowhere/x\.jpg, row 9 of a"):
        fetch_all([missing, *filled], 4)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("bucket", "status", "says"),
    [("s3", 403, "not allowed"), ("s3", 400, "400 BadThing"), ("gs", 403, "not allowed")],
    indirect=["bucket"],
)
def test_a_refusal_is_final(
    status: int, says: str, filled: list[Wanted], faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(self: Faulty) -> None:
        asked.append(self.path)
        self.send_response(status)
        self.send_header("Content-Length", "42")
        self.end_headers()
        self.wfile.write(b"<Error><Code>BadThing</Code></Error>      ")

    monkeypatch.setattr(faulty, "do_GET", refuse)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", os.environ["AWS_ENDPOINT_URL"])
    fsspec.get_filesystem_class("gs").clear_instance_cache()
    with pytest.raises(UserError, match=rf"://pets/.*/0\.jpg: {says}.*key .*/0\.jpg, row 0"):
        fetch_all(filled[:1], 1)
    assert len(asked) <= 3


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_a_store_that_stays_down_is_given_up(filled: list[Wanted], faulty: type[Faulty]) -> None:
    faulty.share = 1
    with pytest.raises(UserError, match="gave up after 10 attempts; run again to go on"):
        fetch_all(filled, 4)
    assert not any(item.target.exists() for item in filled)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_without_credentials_it_says_so(filled: list[Wanted], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(UserError, match="no credentials"):
        fetch_all(filled, 2)


def table(folder: Path, *rows: str, head: str = "bucket,s3_image,category,label") -> Path:
    path = folder / "images.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["b,cat/1.jpg,cat,0", "b,dog/1.jpg,,1"], "row 3, column category: '' is empty"),
        (["b,,cat,0"], "row 2, column s3_image: '' is empty"),
        (["b,cat/1.jpg,cat,zero"], "row 2, column label: 'zero' is not a whole number"),
        (["b,cat/1.jpg,../cat,0"], "row 2, column category: '../cat' gives no plain name"),
        (["b,cat/..,cat,0"], "row 2, column s3_image: 'cat/..' gives no plain name"),
        (["b,cat/1.jpg,c\tat,0"], "row 2, column category: 'c\\tat' gives no plain name"),
        ([f"b,cat/{'x' * 201}.jpg,cat,0"], "gives no plain name for a folder or file"),
        (["b,cat/1.jpg,cat,0", "b,cat/2.jpg,cat,1"], "row 3, column label: '1' and cat: in a row before, cat"),
        (["b,cat/1.jpg,cat,0", "", "b,dog/2.jpg,dog,0"], "row 4, column label: '0' and dog: in a row before, 0"),
        (["b,a/1.jpg,cat,0", "b,b/1.jpg,cat,0"], "'b/1.jpg' and that of row 2 would both be cat/1.jpg"),
        (["b,cat/1.jpg,cat"], "row 2: 3 values for 4 columns"),
        ([], "no row in it"),
        (["b,cat/1.jpg,cat,0", 'b,"cat/2.jpg,cat,0'], "before row 4: no CSV (unexpected end of data)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said_by_row_and_column(rows: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        s3_csv.items(table(tmp_path, *rows))
    assert says in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="row 1: no column category; there is bucket, s3_image, kind, label"):
        s3_csv.items(table(tmp_path, head="bucket,s3_image,kind,label"))


def test_a_table_becomes_an_archive_and_a_table_with_local_paths(
    filled: list[Wanted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    kinds = ("cat", "dog")
    rows = [f"{item.bucket},{item.key},{kinds[n % 2]},{n % 2}" for n, item in enumerate(filled)]
    published = table(tmp_path, *rows)
    out = tmp_path / "out"
    out.mkdir()
    archive = s3_csv.collect(published, out, lambda rows: list(rows)[:30], True, root="objects")
    found = s3_csv.entries(archive, out)
    assert [(entry.path, entry.label) for entry in found[:2]] == [("cat/0.jpg", "cat"), ("dog/1.jpg", "dog")]
    assert len(found) == 30
    with (out / "images.csv").open() as file:
        places = [row["local_image"] for row in csv.DictReader(file)]
    assert places[1] == "objects/dog/1.jpg"
    assert (tmp_path / places[1]).read_bytes() == b"picture 1 " * 200

    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.setattr(s3_csv, "fetch_all", None)
    other = s3_csv.collect(out / "images.csv", again, list, True, download=False)
    assert other.read_bytes() == archive.read_bytes()
    (tmp_path / places[4]).unlink()
    with pytest.raises(UserError, match=r"row 6, column local_image: 'objects/cat/4\.jpg' is no file"):
        s3_csv.collect(out / "images.csv", again, list, True, download=False)


def test_a_table_from_elsewhere_names_no_file_of_this_disk(tmp_path: Path) -> None:
    for scheme in ("file", "local"):
        own = table(tmp_path, f"{scheme}://,/etc/hostname,cat,0")
        with pytest.raises(UserError, match="names a file of this disk, and the table came from elsewhere"):
            s3_csv.collect(own, tmp_path, list, False)
    local = table(tmp_path, "b,x.jpg,cat,0,/etc/hostname", head="bucket,s3_image,category,label,local_image")
    with pytest.raises(UserError, match="column local_image: '/etc/hostname' names a file of this disk"):
        s3_csv.collect(local, tmp_path, list, False, download=False)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
@pytest.mark.parametrize(("name", "says"), [("my bucket", "Invalid bucket name"), ("s3://pets/folder", "folder/0.jpg")])
def test_what_cannot_be_a_bucket_is_said_at_once(name: str, says: str, filled: list[Wanted]) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=says):
        fetch_all([replace(filled[0], bucket=name, key="0.jpg")], 1)
    assert time.monotonic() - start < 20


def test_a_server_is_one_however_it_is_spelled() -> None:
    spelled = ("http://a.example", "https://A.example/folder", "http://me@a.example", "http://a.example:80")
    assert {objects.Wanted(bucket, "k", Path("k"), "row 2").server for bucket in spelled} == {"a.example"}
    assert objects.Wanted("s3://a.example", "k", Path("k"), "row 2").server is None
