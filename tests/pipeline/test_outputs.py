"""What `dvc repro` leaves behind."""

import json
import re
import resource
import socket
from pathlib import Path

import pytest

from tests.conftest import python, run
from tests.pipeline.projects import DATASETS, MODELS, locked, ran

pytestmark = pytest.mark.slow


def cpu_seconds() -> float:
    """Return the CPU time of the processes that have ended here, whatever else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_afterwards_there_is_nothing_to_do(built: Path) -> None:
    start = cpu_seconds()
    done = run("dvc", "repro", cwd=built)
    assert ran(done) == set()
    assert cpu_seconds() - start < 10, "2.5 s on an idle machine"
    changed = run("git", "status", "--porcelain", cwd=built).stdout.split("\n")
    assert {line[3:] for line in changed if line} <= {"dvc.lock"}


def test_every_documented_output_is_there(built: Path) -> None:
    for path in (
        "data/prepared/kaggle/samples.png",
        "data/prepared/kaggle/manifest/000000.parquet",
        "artifacts/models/vgg19/curves.png",
        "artifacts/models/vgg19/history.csv",
        "artifacts/reports/base_cnn/card.md",
        "artifacts/reports/base_cnn/pictures/mistakes.png",
        "artifacts/packages/base_cnn/model.onnx",
        "artifacts/packages/vgg19/vgg19.mar",
        "artifacts/packages/vgg19/torchserve/config.properties",
        "artifacts/packages/vgg19/torchserve/run.sh",
        "artifacts/packages/resnet50/resnet50.mar",
        "data/raw/s3_csv/s3_images.csv",
        "data/raw/stanford_dogs/lists.tar",
        "data/prepared/stanford_dogs/breed_to_class_id.json",
        "artifacts/packages/base_cnn/triton/onnx/base_cnn/config.pbtxt",
        "artifacts/packages/xception/model.keras",
        "artifacts/packages/xception/triton/onnx/xception/1/model.onnx",
        "artifacts/packages/xception/triton/tensorflow/xception/1/model.savedmodel/saved_model.pb",
        "artifacts/packages/xception/triton/Dockerfile",
        "artifacts/bentos/bestiary/bento.yaml",
        "artifacts/bentos/vgg19/bento.yaml",
        "data/prepared/stanford_dogs/breed_to_class_id.json",
        "data/raw/stanford_dogs/lists.tar",
        "artifacts/reports/breeds/classes.csv",
        "artifacts/reports/breeds/confusions.csv",
        "artifacts/packages/breeds/examples/3.jpg",
        "artifacts/bentos/breeds/src/artifacts/packages/breeds/examples/3.jpg",
        "artifacts/bentos/breeds/src/bento/pages/page.css",
        "data/raw/artworks/artworks.tsv",
        "data/raw/artworks/failed.csv",
        "data/prepared/artworks/metadata.parquet",
        "artifacts/featurisers/mosaic/parity.json",
        "artifacts/indexes/mosaic/vectors.npy",
        "artifacts/indexes/mosaic/matches.parquet",
        "artifacts/reports/mosaic/metrics.json",
        "artifacts/reports/mosaic/wall.png",
        "artifacts/bentos/mosaic/src/artifacts/indexes/mosaic/index.json",
        "artifacts/bentos/bestiary/src/artifacts/indexes/mosaic/featuriser/model.onnx",
    ):
        assert (built / path).stat().st_size > 0, path
    bento = built / "artifacts" / "bentos" / "bestiary"
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert "onnxruntime" in requirements
    assert not re.search("torch|tensorflow|keras|mlflow|dvc", requirements)


def test_no_output_tells_when_or_where_it_was_made(built: Path) -> None:
    host, here = socket.gethostname(), str(built.parent)
    for out in ("data", "artifacts"):
        for file in (built / out).rglob("*"):
            content = file.read_bytes() if file.is_file() and file.suffix not in (".npy", ".pyc", ".zip") else b""
            assert here.encode() not in content, file
            assert len(host) < 6 or host.encode() not in content, file


def test_running_it_again_in_turn_gives_equal_hashes(branch: Path) -> None:
    """It was made side by side. What the other datasets and models come to, tests of kills make again."""
    before = locked(branch)
    stages = ("fetch@artworks", "preprocess@artworks", "index@mosaic")
    run("dvc", "repro", "--force", "--no-run-cache", "--single-item", *stages, cwd=branch)
    assert locked(branch) == before


def test_the_table_lists_every_model(built: Path) -> None:
    found = json.loads(python("-m", "stages.list", "--json", cwd=built).stdout)
    assert [row["dataset"] for row in found["datasets"]] == list(DATASETS)
    assert all(sum(row["splits"].values()) >= 60 and row["prepared"] for row in found["datasets"])
    assert [row["model"] for row in found["models"]] == list(MODELS)
    for row in found["models"]:
        assert row["serve"] == f"bentoml serve bento.service:{row['model']}"
        assert row["test_interval"][0] <= row["test_accuracy"] <= row["test_interval"][1]
        assert row["train_seconds"] > 0
        assert row["package_bytes"] > 1e6
    assert "Try next" in python("-m", "stages.list", cwd=built).stdout
