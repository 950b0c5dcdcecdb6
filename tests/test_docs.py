"""The docs against the config they speak of."""

import re

import pytest
from omegaconf import OmegaConf

from stages.config.composition import compose_tree
from tests.conftest import ROOT

DOCUMENTED = OmegaConf.create(compose_tree(["profile=documented"]))
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("breeds", "mosaic", "resnet50")}
KEYS = re.compile(r"`((?:models|datasets|indexes|trainer|bento)\.[\w.]+)`")
PUBLISHED = {
    "mosaic": "met_rijks_metadata.tsv Thumbnail_Url id Culture findMaximumInnerProducts url n culture classification",
    "breeds": "--epochs --batch_size --test_batch_size --use_cuda --data_dir --model_dir --log_dir",
    "resnet50": """name container debug_logs s3_image remote_download_path mount_download_path download_data batch_size
        img_dimensions train_pct val_pct test_pct bucket_name aws_access_key_id aws_secret_access_key aws_default_region
        results_upload_path epochs lr layer_size device hyper_param_runs""",
}


@pytest.mark.parametrize("key", sorted({key for page in PAGES.values() for key in KEYS.findall(page)}))
def test_every_key_they_name_exists(key: str) -> None:
    assert OmegaConf.select(DOCUMENTED, key) is not None


@pytest.mark.parametrize("name", PAGES)
def test_every_published_parameter_is_there(name: str) -> None:
    rows = [line for line in PAGES[name].splitlines() if line.startswith("|")][2:]
    first = " ".join(row.split("|")[1] for row in rows)
    assert {word for word in PUBLISHED[name].split() if f"`{word}`" not in first} == set()


def test_the_published_values_of_resnet50_are_the_documented_profiles() -> None:
    model, data = DOCUMENTED.models.resnet50, DOCUMENTED.datasets.s3_csv
    assert model.search.space == {"lr": [0.001, 0.005, 0.01], "layer_size": [256, 512, 1024]}
    assert (model.search.strategy, model.search.runs, model.search.monitor) == ("random", 2, "val_accuracy")
    assert (model.train.epochs, model.train.batch_size, model.train.network.dropout) == (1, 32, 0.5)
    assert (data.preprocess.size, data.preprocess.resize) == (224, "squash")
    assert data.preprocess.split == {"train": 0.6, "val": 0.2, "test": 0.2}


def test_the_published_values_of_breeds_are_the_documented_profiles() -> None:
    model, data = DOCUMENTED.models.breeds, DOCUMENTED.datasets.stanford_dogs
    train, change = model.train, model.train.augment
    assert (train.epochs, train.batch_size, train.lr, train.seed, train.freeze) == (30, 120, 1e-3, 7, "all")
    assert (train.optimizer.name, train.optimizer.betas, model.evaluate.batch_size) == ("adam", [0.9, 0.99], 400)
    assert (train.normalize.mean, train.normalize.std) == ([0.476, 0.452, 0.392], [0.235, 0.231, 0.229])
    assert (change.p, change.perspective, change.perspective_p, change.hflip) == (0.2, 0.3, 0.2, 0.5)
    assert (change.brightness, change.contrast, change.rotation, change.crop) == (0.4, 0.4, 30, 0.08)
    assert (data.preprocess.size, data.preprocess.resize) == (224, "letterbox")
    assert DOCUMENTED.bento.min_confidence == 0.5


def test_the_published_values_of_mosaic_are_the_documented_profiles() -> None:
    index, data = DOCUMENTED.indexes.mosaic, DOCUMENTED.datasets.artworks
    assert (index.features.network, index.features.weights, index.features.layer) == (
        "keras_resnet50",
        "imagenet",
        "pool",
    )
    assert (index.partition_by, index.matches.top_k, index.mode) == (["Culture", "Classification"], 10, "exact")
    assert (data.preprocess.size, data.fetch.layout.attempts) == (225, 3)
    assert (data.fetch.layout.image, data.fetch.layout.id) == ("Thumbnail_Url", "id")
    assert DOCUMENTED.bento.cors == ["*"]


def test_optuna_draws_from_the_same_space() -> None:
    params = OmegaConf.load(ROOT / "conf" / "sweep" / "resnet50.yaml").hydra.sweeper.params
    drawn = {name.rpartition(".")[2]: text.removeprefix("choice(").removesuffix(")") for name, text in params.items()}
    space = {name: ",".join(map(str, values)) for name, values in DOCUMENTED.models.resnet50.search.space.items()}
    assert drawn == space
