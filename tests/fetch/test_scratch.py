import gzip
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from stages.errors import UserError
from stages.fetch import scratch
from stages.fetch.archive import pack, pack_tar, walk
from stages.fetch.scratch import Scratch

SIZE = 4 * 2**20


def zeros() -> bytes:
    """Return a compressed tar of zeros."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as opened:
        info = tarfile.TarInfo("cat/1.jpg")
        info.size = SIZE
        opened.addfile(info, io.BytesIO(bytes(SIZE)))
    return file.getvalue()


def deflated(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, content)
    return file.getvalue()


BOMBS = {
    "a compressed tar": zeros(),
    "one in a zip": deflated("in/deep.tgz", zeros()),
    "an inner zip that is compressed": deflated("in/deep.zip", bytes(SIZE)),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_archive_that_grows_beyond_the_bound_is_refused_and_leaves_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "MOST_BESIDE", 2**20)
    (tmp_path / "raw.bin").write_bytes(BOMBS[kind])
    with pytest.raises(
        UserError, match=r"raw\.bin.*\(0\.0 MB\) beyond 20 times its size and .*unpack it by hand and give"
    ):
        walk(tmp_path / "raw.bin", tmp_path / "scratch")
    assert not any((tmp_path / "scratch").iterdir())


def test_inner_archives_share_one_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MOST_BESIDE", SIZE + SIZE // 2)
    pack(tmp_path / "raw.zip", [("1.tgz", zeros()), ("2.tgz", zeros())])
    with pytest.raises(UserError, match=r"raw\.zip: 2\.tgz: unpacked, it takes"):
        walk(tmp_path / "raw.zip", tmp_path / "scratch")
    assert not any((tmp_path / "scratch").iterdir())


def test_what_is_within_the_bound_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "raw.tgz").write_bytes(zeros())
    ((copy, _, name),) = walk(tmp_path / "raw.tgz", tmp_path / "scratch")
    assert (name, copy.stat().st_size > SIZE) == ("cat/1.jpg", True)


def test_a_part_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=scratch.LEFT_FREE + 2**19)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (tmp_path / "raw.tgz").write_bytes(zeros())
    with pytest.raises(UserError, match=r"raw\.tgz: no room to unpack .*: 1\.0 GB are free at .*make room"):
        walk(tmp_path / "raw.tgz", tmp_path / "scratch")
    assert not any((tmp_path / "scratch").iterdir())


def test_an_archive_that_is_read_in_place_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LEFT_FREE", 2**62)
    pack_tar(tmp_path / "raw.tar", [("cat/1.jpg", b"one")])
    assert len(walk(tmp_path / "raw.tar", tmp_path / "scratch")) == 1


def test_clearing_removes_its_own_copies_alone(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(gzip.compress(b""))
    (tmp_path / "other").write_bytes(b"")
    copies = Scratch(tmp_path / "raw", tmp_path)
    copies.write("copy", [b"one", b"two"], "raw")
    assert (tmp_path / "copy").read_bytes() == b"onetwo"
    copies.clear()
    assert {file.name for file in tmp_path.iterdir()} == {"raw", "other"}
