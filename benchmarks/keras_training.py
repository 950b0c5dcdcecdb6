"""Keras over the packed store against pure compute on data in memory, and against Keras' own directory pipeline."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.timing import Ratio, compare
from stages.backends.keras import backend
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.preprocess.store import Split

IMAGES, SIZE, BATCH = 512, 64, 32


def training() -> list[Ratio]:
    """Train epochs of xception, each way in turn."""
    backend.choose("tensorflow")
    unit = (IMAGES, "images")
    with tempfile.TemporaryDirectory() as folder:
        ours, memory, directory = epochs(split(Path(folder)), Path(folder))
        return [
            compare("Keras over the store vs data in memory", ours, memory, unit, "≥ 0.98 (1 / 1.02)", rounds=9),
            compare("Keras over the store vs image_dataset_from_directory", ours, directory, unit, "reported"),
        ]


def split(folder: Path) -> Split:
    """Return random images, memory-mapped as a store's are; write them as JPEGs too, a folder for each class."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8)
    images = np.stack([np.asarray(Image.fromarray(image).resize((SIZE, SIZE))) for image in coarse])
    labels = rng.integers(0, 2, IMAGES)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / "images" / str(label) / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    np.save(folder / "train.npy", images)
    return Split(np.load(folder / "train.npy", mmap_mode="r"), labels, [str(number) for number in range(IMAGES)])


def epochs(data: Split, folder: Path) -> tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any]]:
    """Return an epoch over the store, over arrays in memory, and over files as Keras' tutorial reads them."""
    import keras

    from stages.backends.keras.data import epoch_of
    from stages.backends.keras.fit import compile_network
    from stages.config.schema import KerasTrain
    from stages.train.model import build

    train = validate(compose_tree()).models["xception"].train
    assert isinstance(train, KerasTrain)
    config = train.model_copy(update={"batch_size": BATCH, "seed": 0})
    network = build("keras", config.network, 2, SIZE, [])
    compile_network(network, config, steps=1)
    images, labels = np.array(data.images), data.labels[:, None]
    files = keras.utils.image_dataset_from_directory(
        folder / "images", image_size=(SIZE, SIZE), batch_size=BATCH, label_mode="binary", verbose=False
    ).prefetch(2)
    return (
        lambda: network.fit(epoch_of(data, config, epoch=0), shuffle=False, verbose=0),
        lambda: network.fit(images, labels, batch_size=BATCH, shuffle=False, verbose=0),
        lambda: network.fit(files, verbose=0),
    )
