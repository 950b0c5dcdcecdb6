import errno
import os
from pathlib import Path

import numpy as np
import pytest

from stages.core.errors import UserError, as_disk_error, translate_disk_errors


def system(code: int, name: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), name)


class SafetensorError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [
        system(errno.ENOSPC),
        system(errno.EDQUOT),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError("8388608 requested and 1234 written"),
        RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 1497280 vs 1497176"),
    ],
    ids=str,
)
def test_a_full_disk_is_said_whoever_met_it(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"the disk is full \(.* MB of .* MB are free\); make room and run"),
        translate_disk_errors(tmp_path),
    ):
        try:
            raise error
        finally:
            raise RuntimeError("the archive could not be closed")


def test_the_folder_that_an_error_names_is_named(tmp_path: Path) -> None:
    assert str(as_disk_error(system(errno.ENOSPC, str(tmp_path / "a" / "b")), Path("/"))).startswith(
        f"{tmp_path / 'a'}: "
    )


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_what_may_not_be_written_is_named(code: int, tmp_path: Path) -> None:
    expected = (
        f"{tmp_path}: not allowed ({os.strerror(code).lower()}); make it accessible and run the same command again"
    )
    assert str(as_disk_error(system(code, str(tmp_path)), Path("/"))) == expected


@pytest.mark.parametrize(
    "error", [system(errno.ENOENT, "x"), ValueError("x"), PermissionError("http://host/x")], ids=str
)
def test_other_errors_are_left_alone(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)), translate_disk_errors(tmp_path):
        raise error


def test_numpy_says_what_is_expected_of_it(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with (
        pytest.raises(UserError, match="the disk is full"),
        translate_disk_errors(tmp_path),
        Path("/dev/full").open("wb") as file,
    ):
        np.zeros(10_000_000).tofile(file)
