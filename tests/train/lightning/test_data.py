from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.config import compose, typed
from stages.fetch.layouts import s3_csv
from stages.files import write_json
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from stages.preprocess.store import Store, write_manifest
from stages.train.lightning.data import Data, loader
from tests.conftest import SMALL


def test_batches_are_the_rows_of_the_store(prepared: Path) -> None:
    split = Store(prepared).split("val")
    batches = list(loader(split, 5))
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.from_numpy(split.images[:].copy()))
    assert torch.cat([labels for _, labels in batches]).tolist() == split.labels.tolist()


def test_each_split_is_what_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published project validated on its training images, and swapped the other two."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    documented = compose(["profile=documented"])
    config = replace(typed(documented).datasets["s3_csv"].preprocess, size=32)
    drawn = s3_csv.collect(s3_csv.draw(tmp_path, replace(SMALL, images=100, corrupt=0), 1), tmp_path, list, True)
    rows = pack(s3_csv.entries(drawn, tmp_path), config, tmp_path)
    write_manifest(tmp_path / "manifest.parquet", rows)
    write_json(tmp_path / "report.json", report("s3_csv", "synthetic", rows, config))
    store = Store(tmp_path)
    pictures = {name: {image.tobytes() for image in store.split(name).images} for name in ("train", "val", "test")}
    assert {name: len(found) for name, found in pictures.items()} == {"train": 60, "val": 20, "test": 20}
    data = Data(store.split("train"), store.split("val"), 32, seed=1)
    seen = {
        "train": {image.numpy().tobytes() for images, _ in data.train_dataloader() for image in images},
        "val": {image.numpy().tobytes() for images, _ in data.val_dataloader() for image in images},
    }
    assert seen == {name: pictures[name] for name in ("train", "val")}
    assert not seen["train"] & seen["val"]
    assert not pictures["test"] & (seen["train"] | seen["val"])
