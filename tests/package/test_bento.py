from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.core.files import hash_file
from stages.package import bento
from stages.package.bento import lay_out, required
from tests.conftest import tree


def test_a_bento_holds_files_where_dvc_put_links(package: Path, tmp_path: Path) -> None:
    """DVC may link its outputs to its cache; what leaves the machine must not."""
    linked = tmp_path / "packages" / "base_cnn"
    linked.mkdir(parents=True)
    for name in ("model.onnx", "model.json"):
        (linked / name).symlink_to(package / "base_cnn" / name)
    lay_out(tmp_path / "context", {"base_cnn": linked}, SimpleNamespace(tree=tree()))  # type: ignore[arg-type]
    for name in ("model.onnx", "model.json"):
        laid = tmp_path / "context" / "artifacts" / "packages" / "base_cnn" / name
        assert not laid.is_symlink()
        assert hash_file(laid) == hash_file(package / "base_cnn" / name)


def test_an_approximate_index_brings_the_faiss_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(line.startswith("faiss") for line in required([tmp_path]))
    (tmp_path / "faiss.index").touch()
    assert any(line.startswith("faiss-cpu==") for line in required([tmp_path]))
    monkeypatch.setattr(bento, "packages_distributions", lambda: {"faiss": ["faiss-gpu-cu12"]})
    monkeypatch.setattr(bento, "version", lambda _: "1")
    assert required([tmp_path])[-1] == "faiss-gpu-cu12==1"
