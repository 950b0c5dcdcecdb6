from pathlib import Path

import fsspec
import pytest

from stages.core.errors import UserError
from stages.train.weights import locate


def test_weights_come_from_a_bucket(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with fsspec.open(f"{bucket}/weights.pth", "wb") as file:
        file.write(b"weights")
    found = locate(f"{bucket}/weights.pth")
    assert found is not None
    assert found.read_bytes() == b"weights"
    assert locate(f"{bucket}/weights.pth") == found
    with pytest.raises(UserError, match="not found"):
        locate(f"{bucket}/nowhere.pth")


def test_weights_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert locate("none") is locate("imagenet") is None
    with pytest.raises(UserError, match=r"no file .*nowhere.pth; say none, imagenet"):
        locate("nowhere.pth")
