"""The package stage with and without int8, from the trained model to MLflow, the Bento and what is published."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from stages import list as listed
from stages.core.context import StageContext
from stages.core.files import hash_file, read_json
from stages.core.workspace import Workspace
from stages.package import __main__ as package
from stages.package.bento import lay_out
from tests.conftest import tree

WHERE = Path("artifacts") / "packages" / "base_cnn"


def job(home: Path, prepared: Path, trained: Path, *overrides: str) -> StageContext:
    """Return the stage's job in a project that holds a trained base_cnn."""
    for layout, source in (("data/prepared/kaggle", prepared), ("artifacts/models/base_cnn", trained)):
        shutil.copytree(source, home / layout)
    return StageContext("package", tree(*overrides), "base_cnn", Workspace(home, home))


def files(folder: Path) -> dict[str, str]:
    """Return relative path → SHA-256."""
    return {str(path.relative_to(folder)): hash_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_int8_is_one_more_file_and_everything_else_is_as_it_was(
    prepared: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    wanted = ("models.base_cnn.package.quantize=int8", "models.base_cnn.package.quantize_drop=100")
    said: dict[str, Any] = {}
    for name, overrides in (("none", ()), ("int8", wanted)):
        package.main.task(job(tmp_path / name, prepared, trained, *overrides))
        said[name] = capsys.readouterr().out
    plain, both = (tmp_path / name / WHERE for name in ("none", "int8"))
    changed = {name for name, sha256 in files(both).items() if files(plain).get(name) != sha256}
    assert changed == {"model.int8.onnx", "model.json", "parity.json"}
    assert set(files(both)) - set(files(plain)) == {"model.int8.onnx"}
    assert "int8" not in said["none"]
    assert re.search(r"int8 of base_cnn: version 2; test accuracy .* answers changed", said["int8"])

    contract, parity = read_json(both / "model.json"), read_json(both / "parity.json")
    told = contract.pop("int8")
    assert contract == read_json(plain / "model.json")
    assert (told["file"], told["sha256"]) == ("model.int8.onnx", hash_file(both / "model.int8.onnx"))
    assert parity.pop("int8") == {key: told[key] for key in told if key not in ("file", "sha256")} | {
        "packaged": told["sha256"]
    }
    assert parity == read_json(plain / "parity.json")

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (version,) = client.search_model_versions("name = 'base_cnn'")
    assert version.tags["int8"] == told["sha256"]
    assert version.tags["int8_test_accuracy"] == str(told["accuracy"])
    runs = client.search_runs([client.get_experiment_by_name("base_cnn").experiment_id], "tags.int8 LIKE '%'")
    assert runs[0].data.metrics["test_accuracy_int8"] == told["accuracy"]
    assert [file.path for file in client.list_artifacts(runs[0].info.run_id, "int8")] == ["int8/model.int8.onnx"]

    config = {"dataset": "kaggle", "train": {"framework": "lightning", "network": {"name": "base_cnn"}}}
    rows = [listed.describe_model(tmp_path / name, "base_cnn", config) for name in ("none", "int8")]
    assert [row["int8_test_accuracy"] for row in rows] == [None, told["accuracy"]]
    assert rows[1]["int8_bytes"] == (both / "model.int8.onnx").stat().st_size
    cells = [listed.COLUMNS["models"]["package"](row) for row in rows]
    assert [re.fullmatch(r"\d\.\d MB(, int8 \d\.\d MB)?", cell)[1] for cell in cells] == [
        None, f", int8 {rows[1]['int8_bytes'] / 2**20:.1f} MB",
    ]  # fmt: skip

    lay_out(tmp_path / "context", {"base_cnn": both}, SimpleNamespace(tree=tree()))  # type: ignore[arg-type]
    assert hash_file(tmp_path / "context" / WHERE / "model.int8.onnx") == told["sha256"]
