import re
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from stages.checks import check
from stages.config import CONF, compose, typed
from stages.errors import UserError
from tests.conftest import ROOT, changed, python

PROFILES = sorted(file.stem for file in (CONF / "profile").glob("*.yaml"))

REFUSED = [  # by Hydra
    ("models.vgg19.train.lrr=1", "models.vgg19.train.lrr: unknown key; did you mean lr?"),
    ("models.vgg19.train.lr=${nothing}", "Interpolation key 'nothing' not found"),
    ("indexes.mosaic.matchs.best=1", "indexes.mosaic.matchs: unknown key; did you mean matches?"),
]
WRONG = [
    ("+models.vgg19.train.lrr=1", "models.vgg19.train.lrr: unknown key; did you mean lr?"),
    ("models.vgg19.train.lr=fast", "models.vgg19.train.lr: Value 'fast' of type 'str'"),
    ("models.vgg19.train.lr=0", "models.vgg19.train.lr: 0.0 is out of range; it must be above 0"),
    ("models.vgg19.train.epochs=0", "models.vgg19.train.epochs: 0 is out of range; it must be at least 1"),
    ("models.vgg19.train.ema=1", "models.vgg19.train.ema: 1.0 is out of range; it must be at most"),
    ("models.vgg19.train.network.name=vg19", "network.name: unknown name 'vg19'; did you mean vgg19?"),
    ("+models.vgg19.train.network.dropuot=1", "network.dropuot: unknown key; did you mean dropout?"),
    ("models.vgg19.train.network.dropout=much", "network.dropout: 'much' is not of type float"),
    ("models.vgg19.dataset=kagle", "models.vgg19.dataset: unknown name 'kagle'; did you mean kaggle?"),
    ("models.vgg19.train.monitor=val_loss", "'val_loss' is not allowed; did you mean min.val_loss?"),
    ("models.vgg19.train.normalize.mean=[0.5]", "normalize.mean: [0.5] is of length 1; it must be 3"),
    ("datasets.kaggle.fetch.layout.name=kagle", "fetch.layout.name: unknown name 'kagle'; did you mean kaggle?"),
    ("+datasets.petimages.fetch.layout.strict=true", "fetch.layout.strict: unknown key; did you mean strict_jfif?"),
    ("datasets.petimages.fetch.mirror=/bucket", "fetch.mirror: '/bucket' is no bucket; say s3://bucket/folder"),
    ("models.xception.train.framework=kears", "train.framework: unknown name 'kears'; did you mean keras?"),
    (
        "models.xception.train.network.name=vgg19",
        "network.name: unknown name 'vgg19'; allowed: keras_resnet50, xception",
    ),
    ("models.xception=5", "models.xception: 5 is not a model"),
    ("models.xception.train=5", "models.xception"),
    ("+models.xception.train.ema=0.9", "models.xception.train.ema: unknown key"),
    ("trainer.backend=tensorfow", "backend: 'tensorfow' is not allowed; did you mean tensorflow?"),
    ("models.xception.package.triton.max_batch_size=16", "preferred_batch_sizes: [8, 16, 32] must lie between 1 and"),
    ("datasets.kaggle.preprocess.resize=sqush", "preprocess.resize: 'sqush' is not allowed; did you mean squash?"),
    ("datasets.kaggle.preprocess.split.val=0.9", "the fractions must sum to 1"),
    ("datasets.kaggle.preprocess.split.val=0", "split.val: 0.0 is out of range; it must be above 0"),
    ("datasets.kaggle.fetch.sha256=abc", "fetch.sha256: abc is of length 3; it must be 64"),
    ("datasets.kaggle.fetch.synthetic.smallest=900", "smallest 900 is more than largest"),
    ("trainer.devices=0", "devices: 0 is out of range; it must be at least 1"),
    ("bento.queue=0", "bento.queue: 0 is out of range"),
    ("indexes.mosaic.dataset=artwork", "indexes.mosaic.dataset: unknown name 'artwork'; did you mean artworks?"),
    ("indexes.mosaic.features.network=keras_resnet", "features.network: unknown name 'keras_resnet'; did you mean"),
    ("indexes.mosaic.features.network=breeds", "breeds is one of models, not a network; say indexes.mosaic.features.w"),
    ("indexes.mosaic.features.normalize.std=[1,0,1]", "std: [1.0, 0.0, 1.0] is out of range; it must be above 0"),
    (
        "indexes.mosaic.features.weights=trained",
        "features.network: unknown name 'keras_resnet50'; did you mean resnet50?",
    ),
    ("indexes.mosaic.blocks=[Culture,Culture]", "indexes.mosaic.blocks: ['Culture', 'Culture'] names a column twice"),
    ("indexes.mosaic.show=[]", "indexes.mosaic.show: empty; name the column that is a picture's heading"),
    ("indexes.mosaic.mode=aproximate", "indexes.mosaic.mode: 'aproximate' is not allowed; did you mean approximate?"),
    ("bento.url_hosts=[http://museum.example]", "'http://museum.example' is not allowed; say host or host:port"),
    ("plugins=[no_such_module]", "plugins: no module named 'no_such_module'"),
]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_composes(profile: str) -> None:
    tree = typed(compose([f"profile={profile}"]))
    assert set(tree.models) >= {"base_cnn", "vgg19", "xception"}
    assert tree.models["vgg19"].train.lr > 0


@pytest.mark.parametrize("name", sorted(file.stem for file in (CONF / "sweep").glob("*.yaml")))
def test_every_search_of_optunas_varies_what_there_is(name: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = ["hydra/sweeper=optuna", f"+sweep={name}"]
        config = hydra_compose("config", overrides=words, return_hydra_config=True)
    sweeper = config.hydra.sweeper
    assert sweeper._target_.endswith("OptunaSweeper")
    assert config.model == sweeper.study_name == name
    assert sweeper.direction.startswith(config.models[name].train.monitor[:3])
    values = [OmegaConf.select(config, key, throw_on_missing=True) for key in sweeper.params]
    assert None not in values


def test_documented_values() -> None:
    tree = typed(compose(["profile=documented"]))
    base, vgg = tree.models["base_cnn"].train, tree.models["vgg19"].train
    assert tree.datasets["kaggle"].preprocess.size == 224
    assert (base.epochs, vgg.epochs, base.lr, vgg.weights) == (10, 3, 1e-3, "imagenet")
    pets, xception = tree.datasets["petimages"], tree.models["xception"].train
    assert (pets.preprocess.size, pets.preprocess.split.val, xception.epochs, xception.batch_size) == (180, 0.2, 50, 32)
    assert {Path(url).name for url in (pets.fetch.url, *pets.fetch.also)} == {
        "kagglecatsanddogs_5340.zip", "kagglecatsanddogs_3367a.zip",
    }  # fmt: skip
    assert (base.network["dropout"], vgg.network["dropout"], base.optimizer.betas) == (0.2, 0.5, [0.9, 0.999])


@pytest.mark.parametrize(("override", "message"), REFUSED)
def test_wrong_overrides_are_answered(override: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        compose([override])
    assert message in str(refused.value)


@pytest.mark.parametrize(("override", "message"), WRONG)
def test_wrong_values_are_answered(override: str, message: str, conf: DictConfig) -> None:
    with pytest.raises(UserError) as refused:
        typed(changed(conf, override))
    assert message in str(refused.value)


def test_a_trained_featuriser_says_what_it_is_made_of() -> None:
    trained = ["indexes.mosaic.features.network=breeds", "indexes.mosaic.features.weights=trained"]
    expected = "indexes.mosaic.features.code=artifacts/models/breeds/weights.safetensors"
    with pytest.raises(UserError, match=re.escape(expected)):
        typed(compose(trained))
    assert typed(compose([*trained, expected])).indexes["mosaic"].features.network == "breeds"


def test_an_index_has_a_name_of_its_own() -> None:
    tree = typed(compose())
    with pytest.raises(UserError, match=r"indexes\.breeds: taken, by a model"):
        check(replace(tree, indexes={"breeds": tree.indexes["mosaic"]}))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["models.base_cnn.train.lrr=1"], "models.base_cnn.train.lrr: unknown key; did you mean lr?"),
        (["profile=demoo"], "profile: unknown name 'demoo'; did you mean demo?"),
        (["model=base_cn"], "model: unknown name 'base_cn'; did you mean base_cnn?"),
        (["model=null"], "model: not chosen; say model=… with one of base_cnn, breeds, resnet50, vgg19, xception"),
        (["from=runs/never"], "from: no folder runs/never"),
    ],
)
def test_a_typo_at_the_door_fails_fast_and_without_traceback(words: list[str], message: str, project: Path) -> None:
    done = python("-X", "importtime", "-m", "stages.train", "model=base_cnn", *words, cwd=project, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    loaded = {line.split()[-1] for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "omegaconf" in loaded
    assert not {"torch", "tensorflow", "keras", "mlflow", "onnxruntime"} & loaded, "seconds, before any word"


def test_params_yaml_is_what_conf_says() -> None:
    assert OmegaConf.load(ROOT / "params.yaml") == compose()


def test_every_key_of_the_schema_is_in_conf_and_commented() -> None:
    for file in CONF.glob("*/default.yaml"):
        for line in file.read_text().splitlines():
            key = line.strip()
            if key and not key.startswith("#") and "${" not in key:
                assert "#" in line, f"{file.name}: {line}"
