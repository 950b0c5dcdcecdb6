"""Objects named by a table against the loop that a boto3 user writes first, 20 ms away from the store."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.server import served
from benchmarks.timing import Ratio, compare
from stages.fetch.objects import Wanted, fetch_all

COUNT, WORKERS = 400, 32
FAKE = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}


def downloading() -> Ratio:
    """Fetch the same objects both ways, into empty folders."""
    uvicorn = str(Path(sys.executable).with_name("uvicorn"))
    command = [uvicorn, "benchmarks.slow_store:app", "--log-level", "warning", "--port"]
    with tempfile.TemporaryDirectory() as home, served(command, {}) as address:
        os.environ.update(FAKE, AWS_ENDPOINT_URL=f"http://{address}")
        folder = Path(home)
        claim = "fetch objects 20 ms away vs a boto3 loop, one by one"
        return compare(claim, lambda: ours(folder), lambda: peer(folder), (COUNT, "objects"), "≥ 5", rounds=3)


def ours(folder: Path) -> None:
    """Fetch as the stage does."""
    target = emptied(folder / "ours")
    fetch_all([Wanted("bucket", f"{n}.jpg", target / f"{n}.jpg", "") for n in range(COUNT)], WORKERS)


def peer(folder: Path) -> None:
    """Fetch one after another."""
    import boto3

    target = emptied(folder / "peer")
    client = boto3.client("s3")
    for n in range(COUNT):
        (target / f"{n}.jpg").write_bytes(client.get_object(Bucket="bucket", Key=f"{n}.jpg")["Body"].read())


def emptied(folder: Path) -> Path:
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
