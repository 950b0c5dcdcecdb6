"""The docs against the config they speak of."""

import re

import pytest
from omegaconf import OmegaConf

from stages.config import compose
from tests.conftest import ROOT

DOCUMENTED = compose(["profile=documented"])
PAGE = (ROOT / "docs" / "resnet50.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize("key", re.findall(r"`((?:models|datasets|trainer)\.[\w.]+)`", PAGE))
def test_every_key_it_names_exists(key: str) -> None:
    assert OmegaConf.select(DOCUMENTED, key) is not None


def test_every_published_parameter_is_there() -> None:
    published = """name container debug_logs s3_image remote_download_path mount_download_path download_data batch_size
        img_dimensions train_pct val_pct test_pct bucket_name aws_access_key_id aws_secret_access_key aws_default_region
        results_upload_path epochs lr layer_size device hyper_param_runs"""
    first = " ".join(row.split("|")[1] for row in ROWS)
    assert {name for name in published.split() if f"`{name}`" not in first} == set()


def test_the_published_values_are_the_documented_profiles() -> None:
    model, data = DOCUMENTED.models.resnet50, DOCUMENTED.datasets.s3_csv
    assert model.search.space == {"lr": [0.001, 0.005, 0.01], "layer_size": [256, 512, 1024]}
    assert (model.search.strategy, model.search.runs, model.search.select) == ("random", 2, "max.val_accuracy")
    assert (model.train.epochs, model.train.batch_size, model.train.network.dropout) == (1, 32, 0.5)
    assert (data.preprocess.size, data.preprocess.resize) == (224, "squash")
    assert data.preprocess.split == {"train": 0.6, "val": 0.2, "test": 0.2}


def test_optuna_draws_from_the_same_space() -> None:
    params = OmegaConf.load(ROOT / "conf" / "sweep" / "resnet50.yaml").hydra.sweeper.params
    drawn = {name.rpartition(".")[2]: text.removeprefix("choice(").removesuffix(")") for name, text in params.items()}
    space = {name: ",".join(map(str, values)) for name, values in DOCUMENTED.models.resnet50.search.space.items()}
    assert drawn == space
