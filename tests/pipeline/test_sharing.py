"""What leaves the project: results, remotes, buckets; and what must not."""

import csv
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from stages.core.files import hash_file
from tests.conftest import python, run
from tests.pipeline.projects import WEIGHTS, commit, ran

pytestmark = pytest.mark.slow


def test_results_are_published(branch: Path) -> None:
    for _ in range(2):
        done = python("-m", "stages.publish", "model=resnet50", cwd=branch)
    assert "published already" in done.stdout
    (folder,) = (branch / "published").iterdir()
    assert (
        (folder / "results.csv").read_text().splitlines()[1].endswith(",pytorch,cv,dogs_vs_cats,model_state_dict.pth")
    )


def test_what_was_made_is_shared_by_a_remote(bucket: str, first_branch: Path, tmp_path: Path) -> None:
    """`dvc push` to a bucket; a fresh clone pulls it and has nothing to do."""
    commit(first_branch, "built")
    run("dvc", "remote", "add", "--default", "storage", bucket_address(bucket), cwd=first_branch)
    if bucket.startswith("gs"):
        run("dvc", "remote", "modify", "storage", "endpointurl", os.environ["STORAGE_EMULATOR_HOST"], cwd=first_branch)
    run("dvc", "push", cwd=first_branch)
    commit(first_branch, "remote")
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(first_branch), str(clone), cwd=tmp_path)
    run("dvc", "pull", "evaluate@base_cnn", "package@base_cnn", "--with-deps", cwd=clone)
    assert ran(run("dvc", "repro", "evaluate@base_cnn", "package@base_cnn", cwd=clone)) == set()
    assert hash_file(clone / WEIGHTS) == hash_file(first_branch / WEIGHTS)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_from_bucket_to_bucket_and_no_secret_stays(bucket: str, branch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published system: a table of S3 objects in, results in S3 out; the keys are found nowhere afterwards."""
    canaries = "AKIA" + "CANARY0000000000", "canary/" + "secret0key"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", canaries[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canaries[1])
    home = bucket_address(bucket)
    upload_table(branch, home)
    to = f"models.resnet50.publish.to={home}/results"
    values = (f"datasets.s3_csv.fetch.url={home}/images.csv", to, "models.resnet50.search.strategy=none")
    words = [word for value in values for word in ("-S", value)]
    said = [run("dvc", "exp", "run", *words, "package@resnet50", "evaluate@resnet50", cwd=branch)]
    said.append(python("-m", "stages.publish", "model=resnet50", to, cwd=branch))
    files = S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    assert {"results.csv", "model_state_dict.pth", "prep_model.py", "manifest.json", "model.onnx"} <= {
        Path(path).name for path in files.find(f"{home}/results")
    }
    assert not any(canary in done.stdout + done.stderr for done in said for canary in canaries)
    for file in different(branch):
        content = contents(file)
        assert not any(canary.encode() in content for canary in canaries), file


def different(folder: Path) -> list[Path]:
    """Return every file below a folder but git's, one of those that are names of the same bytes."""
    files = (file for file in folder.rglob("*") if file.is_file() and ".git" not in file.relative_to(folder).parts)
    return list({(file.stat().st_dev, file.stat().st_ino): file for file in files}.values())


def contents(file: Path) -> bytes:
    """Return a file's bytes; of an archive what is packed in it."""
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def upload_table(branch: Path, home: str) -> None:
    """Put the drawn pictures into a bucket, and a table that names them there."""
    files = S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    name, _, folder = home.removeprefix("s3://").partition("/")
    with (branch / "data/raw/s3_csv/s3_images.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = ["bucket,s3_image,category,label"]
    for row in rows:
        key = f"{folder}/{row['category']}/{Path(row['s3_image']).name}"
        files.pipe_file(f"{name}/{key}", (branch / row["local_image"]).read_bytes())
        lines.append(f"{name},{key},{row['category']},{row['label']}")
    files.pipe_file(f"{name}/{folder}/images.csv", "\n".join(lines).encode())
    shutil.rmtree(branch / "data" / "cache")


def bucket_address(bucket: str) -> str:
    """Return a bucket's folder without what a URL would have to quote."""
    return bucket.partition("[")[0]
