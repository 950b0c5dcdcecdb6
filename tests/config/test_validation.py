"""What the config tree refuses: each mistake with its path, value, what is allowed and the nearest name."""

import re
from typing import Any

import pytest

from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.validation import check_tree
from stages.core.errors import UserError
from tests.conftest import changed

WRONG = [
    ("+models.vgg19.train.lrr=1", "models.vgg19.train.lrr: unknown key; did you mean lr?"),
    ("models.vgg19.train.lr=fast", "models.vgg19.train.lr: 'fast' is not a number"),
    ("models.vgg19.train.epochs=2.5", "models.vgg19.train.epochs: 2.5 is not a whole number"),
    ("models.vgg19.train.epochs=true", "models.vgg19.train.epochs: True is not a number"),
    ("models.vgg19.train.epochs=null", "models.vgg19.train.epochs: None is not a whole number"),
    ("models.vgg19.train.deterministic=perhaps", "train.deterministic: 'perhaps' is not true or false"),
    ("models.vgg19.train.lr=0", "models.vgg19.train.lr: 0 is out of range; it must be above 0"),
    ("models.vgg19.train.epochs=0", "models.vgg19.train.epochs: 0 is out of range; it must be at least 1"),
    ("models.vgg19.train.ema=1", "models.vgg19.train.ema: 1 is out of range; it must be at most"),
    ("models.vgg19.train.network.name=vg19", "network.name: unknown name 'vg19'; did you mean vgg19?"),
    ("+models.vgg19.train.network.dropuot=1", "network.dropuot: unknown key; did you mean dropout?"),
    ("models.vgg19.train.network.dropout=much", "network.dropout: 'much' is not of type float"),
    ("models.vgg19.dataset=kagle", "models.vgg19.dataset: unknown name 'kagle'; did you mean kaggle?"),
    ("models.vgg19.train.monitor=val_los", "train.monitor: 'val_los' is not allowed; did you mean val_loss?"),
    ("models.vgg19.train.normalize.mean=[0.5]", "normalize.mean: [0.5] is of length 1; it must be 3"),
    ("models.vgg19.train.freeze=some", "models.vgg19.train.freeze: 'some' is not allowed; set none, all, or a list"),
    ("models.vgg19.publish.to=ftp://x", "models.vgg19.publish.to: 'ftp://x' cannot be written to; set s3://"),
    ("datasets.kaggle.fetch.layout.name=kagle", "fetch.layout.name: unknown name 'kagle'; did you mean kaggle?"),
    ("+datasets.petimages.fetch.layout.strict=true", "fetch.layout.strict: unknown key; did you mean strict_jfif?"),
    ("datasets.petimages.fetch.mirror=/bucket", "fetch.mirror: '/bucket' is no bucket; set s3://bucket/folder"),
    ("models.xception.train.framework=kears", "train.framework: 'kears' is not allowed; did you mean keras?"),
    (
        "models.xception.train.network.name=vgg19",
        "network.name: unknown name 'vgg19'; allowed: keras_resnet50, xception",
    ),
    ("models.xception=5", "models.xception: 5 is not a section"),
    ("models.xception.train=5", "models.xception.train: 5 is not a section"),
    ("+models.xception.train.ema=0.9", "models.xception.train.ema: unknown key"),
    ("trainer.backend=tensorfow", "backend: 'tensorfow' is not allowed; did you mean tensorflow?"),
    ("models.xception.package.triton.max_batch_size=16", "preferred_batch_sizes: [8, 16, 32] must lie between 1 and"),
    ("datasets.kaggle.preprocess.resize=sqush", "preprocess.resize: 'sqush' is not allowed; did you mean squash?"),
    ("datasets.kaggle.preprocess.split.val=0.9", "the fractions must sum to 1"),
    ("datasets.kaggle.preprocess.split.val=0", "split.val: 0 is out of range; it must be above 0"),
    ("datasets.kaggle.fetch.sha256=abc", "fetch.sha256: abc is of length 3; it must be 64"),
    ("datasets.kaggle.fetch.synthetic.smallest=900", "smallest 900 is more than largest"),
    ("trainer.devices=0", "devices: 0 is out of range; it must be at least 1"),
    ("bento.queue=0", "bento.queue: 0 is out of range"),
    ("indexes.mosaic.dataset=artwork", "indexes.mosaic.dataset: unknown name 'artwork'; did you mean artworks?"),
    ("indexes.mosaic.features.network=keras_resnet", "features.network: unknown name 'keras_resnet'; did you mean"),
    ("indexes.mosaic.features.network=breeds", "breeds is one of models, not a network; set indexes.mosaic.features.w"),
    ("indexes.mosaic.features.normalize.std=[1,0,1]", "normalize.std: 0 is out of range; it must be above 0"),
    (
        "indexes.mosaic.features.weights=trained",
        "features.network: unknown name 'keras_resnet50'; did you mean resnet50?",
    ),
    (
        "indexes.mosaic.partition_by=[Culture,Culture]",
        "mosaic.partition_by: ['Culture', 'Culture'] names a column twice",
    ),
    ("indexes.mosaic.display_columns=[]", "display_columns: empty; name the column that is a picture's heading"),
    ("indexes.mosaic.mode=aproximate", "indexes.mosaic.mode: 'aproximate' is not allowed; did you mean approximate?"),
    ("bento.url_hosts=[http://museum.example]", "'http://museum.example' is not allowed; set host or host:port"),
    ("plugins=[no_such_module]", "plugins: no module named 'no_such_module'"),
]


@pytest.mark.parametrize(("override", "message"), WRONG)
def test_wrong_values_are_answered(override: str, message: str, conf: dict[str, Any]) -> None:
    with pytest.raises(UserError) as refused:
        validate(changed(conf, override))
    assert message in str(refused.value)


def test_a_trained_feature_extractor_names_its_weights() -> None:
    trained = ["indexes.mosaic.features.network=breeds", "indexes.mosaic.features.weights=trained"]
    expected = "indexes.mosaic.features.code=artifacts/models/breeds/weights.safetensors"
    with pytest.raises(UserError, match=re.escape(expected)):
        validate(compose_tree(trained))
    assert validate(compose_tree([*trained, expected])).indexes["mosaic"].features.network == "breeds"


def test_an_index_has_a_name_of_its_own(conf: dict[str, Any]) -> None:
    tree = validate(conf)
    names = {"datasets": ["artworks"], "models": ["breeds"], "indexes": ["breeds"]}
    with pytest.raises(UserError, match=r"indexes\.breeds: taken, by a model"):
        check_tree(tree.model_copy(update={"models": {}, "indexes": {"breeds": tree.indexes["mosaic"]}}), names)
