from pathlib import Path

import numpy as np
import pytest
import torch

from stages.backends.lightning.augment import Views
from stages.backends.lightning.data import Batches, Data, loader
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import LightningTrain
from stages.core.files import write_json
from stages.layouts import s3_csv
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from stages.preprocess.store import Store
from stages.train.order import Order, Part, Shared
from tests.conftest import SMALL, replace, tree

CONFIG = tree().models["base_cnn"].train
assert isinstance(CONFIG, LightningTrain)


def test_batches_are_the_rows_of_the_store(prepared: Path) -> None:
    split = Store(prepared).split("val")
    batches = list(loader(Batches([split], Shared(Order(len(split), 5)))))
    assert torch.equal(torch.cat([batch.images for batch in batches]), torch.from_numpy(split.images[:].copy()))
    assert torch.cat([batch.labels for batch in batches]).tolist() == split.labels.tolist()
    assert not any(batch.draws.numel() for batch in batches)


def test_epochs_take_variants_and_draws_in_turn(prepared: Path) -> None:
    split = Store(prepared).split("val")
    variants = [replace(split, images=np.full((len(split), 2), number, np.float32)) for number in range(2)]
    order = Shared(Order(len(split), 4, seed=1))
    batches = Batches(variants, order, Views(seed=1, count=2))
    part = Part(np.arange(4), 4, 0)
    seen = []
    for epoch in range(4):
        order.set_epoch(epoch)
        seen.append(batches[part])
    assert [int(batch.images[0, 0]) for batch in seen] == [0, 1, 0, 1]
    assert torch.equal(seen[0].draws, seen[2].draws)
    assert not torch.equal(seen[0].draws, seen[1].draws)


def test_each_split_is_what_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published project validated on its training images, and swapped the other two."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    documented = compose_tree(["profile=documented"])
    config = replace(validate(documented).datasets["s3_csv"].preprocess, size=32)
    drawn = s3_csv.collect(s3_csv.draw(tmp_path, replace(SMALL, images=100, corrupt=0), 1), tmp_path, list, True)
    manifest = pack(s3_csv.entries(drawn, tmp_path), config, tmp_path)
    write_json(tmp_path / "report.json", report("s3_csv", "synthetic", manifest, config))
    store = Store(tmp_path)
    pictures = {name: {image.tobytes() for image in store.split(name).images} for name in ("train", "val", "test")}
    assert {name: len(found) for name, found in pictures.items()} == {"train": 60, "val": 20, "test": 20}
    data = Data([store.split("train")], store.split("val"), CONFIG)
    seen = {
        "train": {image.numpy().tobytes() for batch in data.train_dataloader() for image in batch.images},
        "val": {image.numpy().tobytes() for batch in data.val_dataloader() for image in batch.images},
    }
    assert seen == {name: pictures[name] for name in ("train", "val")}
    assert not seen["train"] & seen["val"]
    assert not pictures["test"] & (seen["train"] | seen["val"])
