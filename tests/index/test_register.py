"""The whole index folder as a registered model, in a store of its own."""

import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from stages.core.mlflow_store import connect
from stages.core.tracking import TrackedRun
from stages.index.register import register, required
from tests.gallery import artworks, gallery


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackedRun:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    found = TrackedRun()
    found.open("mosaic", "index", {})
    return found


def test_it_is_registered_once_and_answers_from_the_registry(run: TrackedRun, tmp_path: Path) -> None:
    import mlflow.pyfunc

    collection = gallery(tmp_path)
    for _ in range(2):
        register(run, "mosaic", tmp_path / "mosaic", collection.about["fingerprint"], "synthetic")
    versions = connect().search_model_versions("name = 'mosaic'")
    assert [version.tags["index"] for version in versions] == [collection.about["fingerprint"]]
    loaded = mlflow.pyfunc.load_model("models:/mosaic@champion")
    file = io.BytesIO()
    Image.fromarray(next(artworks())[0]).save(file, "PNG")
    (found,) = loaded.predict(pd.DataFrame([{"image": file.getvalue(), "n": 2}]))
    assert found[0][0]["id"] == "work-0"
    folder = Path(mlflow.artifacts.download_artifacts("models:/mosaic@champion"))
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle")]
    assert {file.name for file in (tmp_path / "mosaic").iterdir()} <= {file.name for file in folder.rglob("*")}


def test_an_approximate_index_asks_for_its_library(tmp_path: Path) -> None:
    assert "faiss-cpu" not in required(tmp_path)
    (tmp_path / "faiss.index").touch()
    assert "faiss-cpu" in required(tmp_path)


def test_drawn_pictures_do_not_follow_others(run: TrackedRun, tmp_path: Path) -> None:
    gallery(tmp_path)
    for fingerprint, source in (("a", "synthetic"), ("b", "art.zip"), ("c", "synthetic"), ("d", "art.zip")):
        register(run, "mosaic", tmp_path / "mosaic", fingerprint, source)
        champion = connect().get_model_version_by_alias("mosaic", "champion").tags["index"]
        assert champion == ("b" if fingerprint == "c" else fingerprint)
