from pathlib import Path
from types import SimpleNamespace

from stages.files import sha256_file
from stages.package.bento import lay_out
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
        assert sha256_file(laid) == sha256_file(package / "base_cnn" / name)
