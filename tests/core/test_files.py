import errno
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.core.files import (
    atomic_file,
    atomic_folder,
    exclusive_lock,
    hash_json,
    read_json,
    require_writable,
    write_json,
)
from tests.conftest import ROOT

HOLD = """
import sys, time
from pathlib import Path
from stages.core.files import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "x"):"""


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as scratch:
        (scratch / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(target) as scratch:
        (scratch / "a").write_text("new")
        raise RuntimeError
    assert [(file.name, file.read_text()) for file in target.iterdir()] == [("a", "old")]
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_writer_leaves_only_what_the_next_one_removes(tmp_path: Path) -> None:
    stray = tmp_path / ".out.partial"
    stray.mkdir()
    (stray / "torn").write_text("half")
    with atomic_folder(tmp_path / "out") as scratch:
        assert list(scratch.iterdir()) == []
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write_json(target, {"a": 1})
    with pytest.raises(RuntimeError), atomic_file(target) as scratch:
        scratch.write_text("{")
        raise RuntimeError
    assert read_json(target) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_fingerprint_is_of_the_content() -> None:
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1}) != hash_json({"a": 1, "b": 3})


def test_what_is_renamed_is_on_the_disk_before_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda opened: settled.append(Path(f"/proc/self/fd/{opened}").readlink().name))
    write_json(tmp_path / "out.json", {})
    assert settled == [".out.json.partial", tmp_path.name]
    settled.clear()
    with atomic_folder(tmp_path / "out") as scratch:
        (scratch / "inner").mkdir()
        (scratch / "inner" / "a").write_text("a")
    assert settled == ["inner", "a", ".out.partial", tmp_path.name]


def test_who_was_killed_between_two_renamings_has_lost_nothing(tmp_path: Path) -> None:
    (tmp_path / ".out.former").mkdir()
    (tmp_path / ".out.former" / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "out"):
        raise RuntimeError
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_tried_and_nothing_stays(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(dir: Path) -> io.BytesIO:  # noqa: A002
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", closed)
    with pytest.raises(UserError, match=f"{tmp_path}: not allowed .read-only file system.; make it"):
        require_writable(tmp_path / "a" / "b")


def test_a_mount_point_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    with pytest.raises(UserError, match=f"a: a mount point, .*; mount {tmp_path} instead"):
        require_writable(tmp_path / "a")


def holder(target: Path, then: str) -> subprocess.Popen[str]:
    """Start a process that holds a lock, says so, and then does something."""
    code = f"{HOLD}\n    print('held', flush=True)\n    {then}"
    process = subprocess.Popen([sys.executable, "-c", code, str(target)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_who_comes_second_says_that_it_waits_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with holder(tmp_path / "set", "time.sleep(60)") as first:
        threading.Timer(0.5, os.kill, (first.pid, signal.SIGKILL)).start()
        with exclusive_lock(tmp_path / "set", "fetching the set"):
            assert [file.name for file in tmp_path.iterdir()] == [".set.lock"]
    assert "another process is fetching the set; waiting" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with holder(tmp_path / "set", "import os; os.kill(os.getpid(), 9)"):
        pass
    assert (tmp_path / ".set.lock").exists()
    with exclusive_lock(tmp_path / "set", "fetching the set"):
        pass
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_many_take_turns(tmp_path: Path) -> None:
    inside, most = 0, 0

    def take() -> None:
        nonlocal inside, most
        for _ in range(20):
            with exclusive_lock(tmp_path / "set", "counting"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
