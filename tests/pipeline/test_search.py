"""The index: searched, and made of other things."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, python, run
from tests.pipeline.projects import curl, served

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", ["bento.service:Bestiary", "artifacts/bentos/mosaic"])
def test_similar_artworks_are_found(target: str, built: Path, tmp_path: Path) -> None:
    """By id, by an uploaded picture, by the published client; each within the filters."""
    shutil.copyfile(next(iter((built / "data" / "cache" / "drawn").rglob("*.jpg"))), tmp_path / "work.jpg")
    with served(str(built / target) if "/" in target else target, built) as address:
        (known, _), *others = curl(f"{address}/similar?id=100001&n=5", cwd=tmp_path)["results"]
        assert len(others) == 4
        assert known["id"] != "100001"
        asked = f"{address}/similar?n=3&culture={known['Culture']}&not.classification={known['Classification']}"
        for metadata, score in curl(asked, "-T", "work.jpg", cwd=tmp_path)["results"]:
            assert metadata["Culture"] == known["Culture"]
            assert metadata["Classification"] != known["Classification"]
            assert 0 < score <= 1 + 1e-6
        words = ("similar", "work.jpg", "--n", "2", "--culture", known["Culture"], "--server", address, "--json")
        found = json.loads(run(sys.executable, "-m", "bento.client", *words, cwd=tmp_path, PYTHONPATH=str(ROOT)).stdout)
        assert len(found["results"]) == 2
        nothing = curl(f"{address}/similar?culture=atlantean&id=100001", cwd=tmp_path)
        assert "Culture: unknown label 'atlantean'" in nothing["error"]
        refused = curl(f"{address}/similar?url={address}/similar/mosaic/thumb?row=0", cwd=tmp_path)
        assert refused["error"].startswith("url:")


def test_matches_are_what_a_search_finds(built: Path) -> None:
    import pandas as pd

    from stages.index.collection import Collection
    from stages.index.conditional.where import among

    mosaic = Collection(built / "artifacts" / "indexes" / "mosaic")
    matches = pd.read_parquet(built / "artifacts" / "indexes" / "mosaic" / "matches.parquet")
    assert set(matches["column"]) == {"Culture", "Classification"}
    for (row, column, label), found in matches.groupby(["id", "column", "label"], observed=True):
        best = mosaic.index.query(mosaic.index.vector(row), 11, among(column, [label])).ids[0]
        assert found["match"].tolist() == [other for other in best.tolist() if other != row][:10]


def test_any_dataset_is_searched_by_any_trained_model(built: Path) -> None:
    """A classifier's pictures, by the features of base_cnn, roughly and by a person's command."""
    values = [
        "indexes.mosaic.dataset=kaggle", "indexes.mosaic.partition_by=[label]", "indexes.mosaic.id_column=path",
        "indexes.mosaic.display_columns=[path,label]", "indexes.mosaic.mode=approximate",
        "indexes.mosaic.features.network=base_cnn",
        "indexes.mosaic.features.weights=trained",
        "indexes.mosaic.features.code=artifacts/models/base_cnn/weights.safetensors",
    ]  # fmt: skip
    python("-m", "stages.package.featuriser", "index=mosaic", *values, "hydra.run.dir=runs/pets", cwd=built)
    shown = python("-m", "stages.index", "index=mosaic", *values, "from=runs/pets", cwd=built).stdout
    assert "100 features" in shown
    report = json.loads((built / "runs" / "pets" / "artifacts" / "reports" / "mosaic" / "metrics.json").read_text())
    assert report["approximate"]["recall"] > 0.9
    assert set(report["label"]) == {"precision_at_10", "chance", "queries"}
    assert (built / "runs" / "pets" / "artifacts" / "indexes" / "mosaic" / "faiss.index").exists()
