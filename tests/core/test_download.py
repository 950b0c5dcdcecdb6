"""Downloads against a real HTTP server on loopback that cuts, lies and refuses."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from stages.core import download
from stages.core.errors import UserError
from stages.core.files import hash_file
from stages.core.redaction import redact_url

CONTENT = bytes(range(256)) * 4096 * 10


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.server.content).hexdigest()}"'

    def do_GET(self) -> None:
        state = self.server
        if self.path.endswith("/missing.zip"):
            self.send_error(404)
            return
        if self.path.endswith("/forbidden.zip"):
            self.send_error(403)
            return
        start, end = 0, len(state.content)
        wanted = self.headers.get("Range")
        if self.headers.get("If-Range") not in (None, self.etag):
            wanted = None
        if wanted and state.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(end, int(last) + 1) if last else end
            if start >= end:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{end}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        part = state.content[start:end]
        self.send_response(206 if wanted and state.ranges else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", self.etag)
        if state.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if wanted and state.ranges:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(state.content)}")
        self.end_headers()
        cut = state.cuts.pop() if state.cuts else len(part)
        self.wfile.write(part[:cut])
        state.sent += len(part[:cut])
        self.close_connection = cut < len(part)


class Server(ThreadingHTTPServer):
    content, ranges, sent = CONTENT, True, 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "RETRY_DELAY", 0.01)
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize("ranges", [True, False])
def test_the_file_arrives(server: Server, ranges: bool, tmp_path: Path) -> None:
    server.ranges = ranges
    file = download.download(f"{server.url}/set.zip", tmp_path, None)
    assert file.name == "set.zip"
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_connections_are_resumed(server: Server, ranges: bool, tmp_path: Path) -> None:
    server.ranges = ranges
    server.cuts = [3_000_000, 100, 1_500_000]
    file = download.download(f"{server.url}/set.zip", tmp_path, hashlib.sha256(CONTENT).hexdigest())
    assert file.read_bytes() == CONTENT


def test_a_rerun_fetches_only_what_is_missing(server: Server, tmp_path: Path) -> None:
    server.cuts = [0, 0, 600_000, 4_194_304, 4_194_304]
    with pytest.raises(UserError, match="run again to go on"):
        download.download(f"{server.url}/set.zip", tmp_path, None)
    assert not list(tmp_path.rglob("set.zip")), "a partial file never passes as complete"
    server.cuts, before = [], server.sent
    assert download.download(f"{server.url}/set.zip", tmp_path, None).read_bytes() == CONTENT
    assert server.sent - before < len(CONTENT) * 0.5


def test_a_source_that_changed_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.cuts = [0, 0, 0, 0, 4_194_304]
    with pytest.raises(UserError):
        download.download(f"{server.url}/set.zip", tmp_path, None)
    server.cuts, server.content = [], CONTENT[::-1]
    assert download.download(f"{server.url}/set.zip", tmp_path, None).read_bytes() == CONTENT[::-1]


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sha256 is .*, wanted 00; the download is removed"):
        download.download(f"{server.url}/set.zip", tmp_path, "00")
    assert not list(tmp_path.rglob("set.zip"))


@pytest.mark.parametrize(("path", "status"), [("missing.zip", "not found"), ("forbidden.zip", "not allowed")])
def test_a_refusal_is_final_and_names_the_address(server: Server, path: str, status: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{path}.*({status})"):
        download.download(f"{server.url}/{path}", tmp_path, None)


def test_a_part_that_was_whole_when_killed_is_taken(server: Server, tmp_path: Path) -> None:
    file = download.download(f"{server.url}/set.zip", tmp_path, None)
    file.rename(file.with_name(f".{file.name}.part"))
    before = server.sent
    assert download.download(f"{server.url}/set.zip", tmp_path, None).read_bytes() == CONTENT
    assert server.sent == before


def test_an_unknown_protocol_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"allowed: a path, http\(s\)://, s3://, gs://"):
        download.download("htp://host/set.zip", tmp_path, None)


def test_secrets_in_an_address_are_not_shown(tmp_path: Path) -> None:
    assert redact_url("https://me:secret@host:8/a.zip?x=1") == "https://host:8/a.zip"
    assert redact_url("s3://bucket/key") == "s3://bucket/key"
    with pytest.raises(UserError, match=r"^htp://host/set\.zip: "):
        download.download("htp://me:secret@host/set.zip?x=1", tmp_path, None)


def test_a_local_copy_is_a_copy(tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(CONTENT)
    download.copy_file(source, tmp_path / "b.zip")
    assert hash_file(source) == hash_file(tmp_path / "b.zip")
    assert source.stat().st_ino != (tmp_path / "b.zip").stat().st_ino


def test_object_stores_go_on_where_they_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """s3 and gs go through fsspec; its in-memory store has the same interface."""
    fsspec.filesystem("memory").pipe("/bucket/set.zip", CONTENT)
    read, starts = download._iter_blocks, []

    def breaking(filesystem: Any, path: str, start: int) -> Iterator[bytes]:
        starts.append(start)
        blocks = read(filesystem, path, start)
        yield next(blocks)
        if len(starts) < 3:
            raise ConnectionResetError
        yield from blocks

    monkeypatch.setattr(download, "RETRY_DELAY", 0.01)
    monkeypatch.setattr(download, "_iter_blocks", breaking)
    assert download.download("memory://bucket/set.zip", tmp_path, None).read_bytes() == CONTENT
    assert starts == [0, download.BLOCK_SIZE, 2 * download.BLOCK_SIZE]
