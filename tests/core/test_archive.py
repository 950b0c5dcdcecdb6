import bz2
import contextlib
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import archive
from stages.core.archive import (
    ABSENT,
    MAX_MEMBER_BYTES,
    ArchiveReader,
    BoundedExtractor,
    Entry,
    Unreadable,
    is_archive,
    list_members,
    walk_archive,
    write_tar,
    write_zip,
    zip_folder,
)
from stages.core.errors import UserError

FILES = [("a/1.jpg", b"one"), ("a/2.jpg", b""), ("../../b/3.jpg", b"three" * 1000), ("/abs/4.jpg", b"four")]
COMPRESSED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tarred(files: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        for name, content in files:
            opened.addfile(member(name, len(content)), io.BytesIO(content))
    return file.getvalue()


def zipped(files: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in files:
            opened.writestr(name, content)
    return file.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


def placed(folder: Path, content: bytes, name: str = "raw.bin") -> Path:
    """Write an archive under a name that does not tell its kind."""
    file = folder / name
    file.write_bytes(content)
    return file


def contents(raw: Path, scratch: Path) -> list[tuple[str, bytes]]:
    reader = ArchiveReader()
    members = walk_archive(raw, scratch)
    return [(name, reader.read(Entry(file, index, name, None))) for file, index, name in members]


@pytest.mark.parametrize("make", [tarred, zipped])
def test_a_plain_archive_is_read_in_place_whatever_its_name(
    make: Callable[[list[tuple[str, bytes]]], bytes], tmp_path: Path
) -> None:
    raw = placed(tmp_path, make(FILES))
    assert contents(raw, tmp_path / "scratch") == FILES
    assert [name for _, name in list_members(raw)] == [name for name, _ in FILES]
    reader = ArchiveReader()
    assert [reader.read_prefix(Entry(raw, index, "", None), 3) for index in range(4)] == [b"one", b"", b"thr", b"fou"]
    assert list(tmp_path.iterdir()) == [raw], "nothing is unpacked, whatever a member is called"
    reader.close()


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_compressed_tar_is_unpacked_to_scratch_under_a_name_of_our_own(kind: str, tmp_path: Path) -> None:
    raw = placed(tmp_path, COMPRESSED[kind](tarred(FILES)))
    assert contents(raw, tmp_path / "scratch") == FILES
    assert [file.name for file in (tmp_path / "scratch").iterdir()] == ["0.tar"]
    assert is_archive(raw)


@pytest.mark.parametrize("inner", [tarred(FILES), zipped(FILES), gzip.compress(tarred(FILES))])
@pytest.mark.parametrize("outer", [tarred, zipped])
def test_archives_in_archives_are_found_three_deep(
    outer: Callable[[list[tuple[str, bytes]]], bytes], inner: bytes, tmp_path: Path
) -> None:
    deep = outer([("../deep.tgz", inner), ("0.jpg", b"zero")])
    raw = placed(tmp_path, outer([("x/middle.zip", deep), ("._hidden.zip", b"macOS adds these")]))
    read = dict(contents(raw, tmp_path / "scratch"))
    assert read.items() >= {**dict(FILES), "0.jpg": b"zero"}.items()
    assert {file.suffix for file in (tmp_path / "scratch").iterdir()} <= {".archive", ".tar"}
    assert {file.name for file in tmp_path.iterdir()} == {"raw.bin", "scratch"}


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    raw = placed(tmp_path, tarred([("1.jpg", b"one"), ("lists.zip", zipped([("2.jpg", b"two")]))]))
    assert zipfile.is_zipfile(raw), "the trap: a zip may have anything before it"
    assert [name for name, _ in contents(raw, tmp_path / "s")] == ["1.jpg", "lists.zip", "2.jpg"]


def test_only_plain_files_count(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        kinds = (tarfile.SYMTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.REGTYPE)
        for number, kind in enumerate(kinds):
            opened.addfile(member(f"{number}.jpg", 0, kind, "/etc/passwd"))
    assert [name for _, name in list_members(placed(tmp_path, file.getvalue()))] == ["5.jpg"]


def linked(links: list[tuple[str, bytes, str]]) -> bytes:
    """Return a tar of 1.jpg and these links, each of a name, a kind and what it leads to."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        opened.addfile(member("./1.jpg", 3), io.BytesIO(b"one"))
        for name, kind, target in links:
            opened.addfile(member(name, 0, kind, target))
    return file.getvalue()


def test_a_hard_link_has_the_bytes_of_the_file_it_leads_to(tmp_path: Path) -> None:
    raw = placed(tmp_path, linked([("2.jpg", tarfile.LNKTYPE, "1.jpg"), ("3.jpg", tarfile.LNKTYPE, "2.jpg")]))
    assert contents(raw, tmp_path / "s") == [("./1.jpg", b"one"), ("2.jpg", b"one"), ("3.jpg", b"one")]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "3.jpg", "2.jpg"])
def test_a_hard_link_that_leads_out_of_the_archive_or_on_is_named_and_unreadable(target: str, tmp_path: Path) -> None:
    raw = placed(tmp_path, linked([("2.jpg", tarfile.LNKTYPE, target), ("3.jpg", tarfile.REGTYPE, "")]))
    assert [name for _, name in list_members(raw)] == ["./1.jpg", "2.jpg", "3.jpg"]
    with pytest.raises(Unreadable, match=f"hard link to {target}, which is not before it"):
        ArchiveReader().read(Entry(raw, 1, "2.jpg", None))


def test_a_hard_link_to_a_symbolic_link_is_as_little_a_member_as_that(tmp_path: Path) -> None:
    raw = placed(tmp_path, linked([("2.jpg", tarfile.SYMTYPE, "1.jpg"), ("3.jpg", tarfile.LNKTYPE, "2.jpg")]))
    assert [name for _, name in list_members(raw)] == ["./1.jpg"]


@pytest.mark.parametrize("kind", ["old", "pax"])
def test_a_sparse_member_is_named_and_unreadable(kind: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as opened:
        sparse = member("cat/1.jpg")
        if kind == "old":
            sparse.type = tarfile.GNUTYPE_SPARSE
        else:
            sparse.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}
        opened.addfile(sparse)
        opened.addfile(member("cat/2.jpg", 3), io.BytesIO(b"two"))
    raw = placed(tmp_path, file.getvalue())
    assert [name for _, name in list_members(raw)] == ["cat/1.jpg", "cat/2.jpg"]
    with pytest.raises(Unreadable, match="sparse member"):
        ArchiveReader().read(Entry(raw, 0, "cat/1.jpg", None))
    assert ArchiveReader().read(Entry(raw, 1, "cat/2.jpg", None)) == b"two"


def test_a_name_that_is_not_utf8_can_be_written_down(tmp_path: Path) -> None:
    raw = placed(tmp_path, tarred([("Xé.jpg", b"")]).replace("é".encode(), b"\xff\xfe"))
    content = bytearray(raw.read_bytes())
    content[148:156] = b"%06o\0 " % (sum(content[:148]) + 256 + sum(content[156:512]))
    raw.write_bytes(content)
    ((_, name),) = list_members(raw)
    assert name.encode().startswith(b"X")


@pytest.mark.parametrize("cut", [100, 512, 700, 1024, 2560, 7000, -10240])
def test_a_truncated_tar_is_named_and_to_be_fetched_again(cut: int, tmp_path: Path) -> None:
    raw = placed(tmp_path, tarred(FILES)[:cut])
    with pytest.raises(UserError, match=r"raw\.bin: .*fetch it again"):
        walk_archive(raw, tmp_path)


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_download_of_a_compressed_tar_is_named(kind: str, part: float, tmp_path: Path) -> None:
    content = COMPRESSED[kind](tarred([("1.jpg", bytes(range(256)) * 400)]))
    raw = placed(tmp_path, content[: int(len(content) * part)])
    with pytest.raises(UserError, match=r"raw\.bin: damaged, or only a part of it .*fetch it again"):
        walk_archive(raw, tmp_path / "scratch")


def test_what_is_compressed_but_no_tar_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no tar in it; allowed: zip, tar, tar\.gz"):
        walk_archive(placed(tmp_path, gzip.compress(b"a,b\n1,2\n")), tmp_path / "scratch")


def test_a_broken_archive_inside_is_called_by_both_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"raw\.bin: in/train\.zip: not a zip archive"):
        walk_archive(placed(tmp_path, zipped([("in/train.zip", b"<html>log in</html>")])), tmp_path / "scratch")


def test_a_member_that_was_cut_short_since_is_unreadable_not_fatal(tmp_path: Path) -> None:
    raw = placed(tmp_path, tarred([("1.jpg", bytes(5000)), ("2.jpg", bytes(5000))]))
    reader = ArchiveReader()
    one, two = (Entry(raw, index, "", None) for index in range(2))
    assert len(reader.read(two)) == 5000
    raw.write_bytes(raw.read_bytes()[:7000])
    assert len(reader.read(one)) == 5000
    with pytest.raises(Unreadable, match="cut short in the archive: 4144 of 5000 bytes are missing"):
        reader.read(two)


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    raw = placed(tmp_path, tarred([("1.jpg", bytes(MAX_MEMBER_BYTES + 1))]))
    with pytest.raises(Unreadable, match="larger than 64"):
        ArchiveReader().read(Entry(raw, 0, "1.jpg", None))


def test_what_is_published_but_absent_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="not in the archive"):
        ArchiveReader().read(Entry(placed(tmp_path, zipped(FILES)), ABSENT, "5.jpg", None))


@pytest.mark.parametrize("make", [tarred, zipped])
def test_threads_share_a_reader(make: Callable[[list[tuple[str, bytes]]], bytes], tmp_path: Path) -> None:
    files = [(f"{number}.jpg", str(number).encode() * 3000) for number in range(60)]
    raw, reader = placed(tmp_path, make(files)), ArchiveReader()
    entries = [Entry(raw, index, name, None) for index, (name, _) in enumerate(files)] * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reader.read, entries)) == [content for _, content in files] * 5


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_do_worse_than_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    make = data.draw(st.sampled_from([tarred, zipped]))
    hurt = bytearray(make(FILES[:2]))
    for _ in range(data.draw(st.integers(1, 8))):
        hurt[data.draw(st.integers(0, min(len(hurt), 2048) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("hurt")
    reader = ArchiveReader()
    with contextlib.suppress(UserError, Unreadable):
        for archive, index, name in walk_archive(placed(folder, bytes(hurt)), folder / "scratch"):
            reader.read(Entry(archive, index, name, None))


def test_a_packed_tar_depends_on_nothing_but_names_and_contents(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("Images/x/1.jpg", b"1"), ("Images/x/2.jpg", b"2"), ("Images/y/1.jpg", b"3")])
    with tarfile.open(tmp_path / "a.tar") as opened:
        members = opened.getmembers()
    assert [info.name for info in members] == [
        "Images", "Images/x", "Images/x/1.jpg", "Images/x/2.jpg", "Images/y", "Images/y/1.jpg",
    ]  # fmt: skip
    assert {(info.mtime, info.uid, info.gid, info.uname) for info in members} == {(0, 0, 0, "")}


def test_a_folder_is_packed_as_its_files_would_be(tmp_path: Path) -> None:
    for name, content in (("b/2.jpg", b"two" * 10**6), ("a.jpg", b"one")):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    zip_folder(tmp_path / "in", tmp_path / "one.zip")
    write_zip(tmp_path / "two.zip", [("a.jpg", b"one"), ("b/2.jpg", b"two" * 10**6)])
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_linked_folders_and_files_are_packed_as_if_they_lay_there(tmp_path: Path) -> None:
    for name in ("in/dog/1.jpg", "elsewhere/cat/deep/2.jpg", "elsewhere/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "in" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (tmp_path / "in" / "twin").symlink_to(tmp_path / "elsewhere" / "cat")
    (tmp_path / "in" / "a.jpg").symlink_to(tmp_path / "elsewhere" / "3.jpg")
    zip_folder(tmp_path / "in", tmp_path / "one.zip")
    cat = b"elsewhere/cat/deep/2.jpg"
    files = [("a.jpg", b"elsewhere/3.jpg"), ("cat/deep/2.jpg", cat), ("dog/1.jpg", b"in/dog/1.jpg")]
    write_zip(tmp_path / "two.zip", [*files, ("twin/deep/2.jpg", cat)])
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_links_that_lead_back_to_where_they_lie_end(tmp_path: Path) -> None:
    (tmp_path / "in" / "cat").mkdir(parents=True)
    (tmp_path / "in" / "cat" / "1.jpg").write_bytes(b"one")
    (tmp_path / "in" / "cat" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to("self")
    (tmp_path / "in" / "gone").symlink_to("nowhere")
    zip_folder(tmp_path / "in", tmp_path / "one.zip")
    assert [name for _, name in list_members(tmp_path / "one.zip")] == ["cat/1.jpg"]


def test_a_folder_with_a_name_that_is_not_utf8_is_refused_by_that_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = os.fsencode(tmp_path / "in") + b"/caf\xe9.jpg"
    Path(os.fsdecode(file)).write_bytes(b"one")
    with pytest.raises(UserError, match=r"caf\\xe9\.jpg: the name is not in UTF-8.*rename the file"):
        zip_folder(tmp_path / "in", tmp_path / "one.zip")
    assert not (tmp_path / "one.zip").exists()


COPY_SIZE = 4 * 2**20


def zeros() -> bytes:
    return gzip.compress(tarred([("cat/1.jpg", bytes(COPY_SIZE))]))


def deflated(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, content)
    return file.getvalue()


BOMBS = {
    "a compressed tar": zeros(),
    "one in a zip": deflated("in/deep.tgz", zeros()),
    "an inner zip that is compressed": deflated("in/deep.zip", bytes(COPY_SIZE)),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_archive_that_grows_beyond_the_bound_is_refused_and_leaves_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "EXTRA_BYTES", 2**20)
    (tmp_path / "raw.bin").write_bytes(BOMBS[kind])
    with pytest.raises(
        UserError, match=r"raw\.bin.*\(0\.0 MB\) beyond 20 times its size and .*unpack it by hand and give"
    ):
        walk_archive(tmp_path / "raw.bin", tmp_path / "scratch")
    assert not any((tmp_path / "scratch").iterdir())


def test_inner_archives_share_one_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "EXTRA_BYTES", COPY_SIZE + COPY_SIZE // 2)
    write_zip(tmp_path / "raw.zip", [("1.tgz", zeros()), ("2.tgz", zeros())])
    with pytest.raises(UserError, match=r"raw\.zip: 2\.tgz: unpacked, it takes"):
        walk_archive(tmp_path / "raw.zip", tmp_path / "scratch")
    assert not any((tmp_path / "scratch").iterdir())


def test_what_is_within_the_bound_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "raw.tgz").write_bytes(zeros())
    ((copy, _, name),) = walk_archive(tmp_path / "raw.tgz", tmp_path / "scratch")
    assert (name, copy.stat().st_size > COPY_SIZE) == ("cat/1.jpg", True)


def test_a_part_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=archive.MIN_FREE_BYTES + 2**19)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (tmp_path / "raw.tgz").write_bytes(zeros())
    with pytest.raises(UserError, match=r"raw\.tgz: no room to unpack .*: 1\.0 GB are free at .*make room"):
        walk_archive(tmp_path / "raw.tgz", tmp_path / "scratch")
    assert not any((tmp_path / "scratch").iterdir())


def test_an_archive_that_is_read_in_place_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MIN_FREE_BYTES", 2**62)
    write_tar(tmp_path / "raw.tar", [("cat/1.jpg", b"one")])
    assert len(walk_archive(tmp_path / "raw.tar", tmp_path / "scratch")) == 1


def test_clearing_removes_its_own_copies_alone(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(gzip.compress(b""))
    (tmp_path / "other").write_bytes(b"")
    extractor = BoundedExtractor(tmp_path / "raw", tmp_path)
    extractor.write("copy", [b"one", b"two"], "raw")
    assert (tmp_path / "copy").read_bytes() == b"onetwo"
    extractor.clear()
    assert {file.name for file in tmp_path.iterdir()} == {"raw", "other"}
