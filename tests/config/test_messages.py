"""Old keys are answered with their new names, and values that Hydra cannot read with how to quote them."""

from typing import Any

import pytest

from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.core.errors import UserError
from tests.conftest import changed

RENAMED = [
    ("datasets.petimages.fetch.also", "alternative_names"),
    ("datasets.kaggle.fetch.parts", "extra_files"),
    ("datasets.kaggle.preprocess.shard", "shard_size"),
    ("models.vgg19.train.lr_rule", "lr_scaling"),
    ("models.vgg19.train.lr_batch", "lr_base_batch_size"),
    ("models.xception.train.accumulate", "accumulate_grad_batches"),
    ("models.vgg19.train.clip", "gradient_clip_norm"),
    ("models.breeds.train.augment.views", "num_views"),
    ("models.resnet50.search.select", "monitor and mode"),
    ("indexes.mosaic.quality", "precision_k"),
    ("indexes.mosaic.noun", "item_name"),
    ("indexes.mosaic.blocks", "partition_by"),
    ("indexes.mosaic.show", "display_columns"),
    ("indexes.mosaic.matches.best", "top_k"),
    ("bento.sure", "min_confidence"),
    ("bento.fetches", "max_url_fetches"),
]


@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_an_old_key_is_answered_with_its_new_name(old: str, new: str, conf: dict[str, Any]) -> None:
    expected = f"{old}: renamed; set {new}"
    with pytest.raises(UserError) as in_a_file:
        validate(changed(conf, f"+{old}=1"))
    with pytest.raises(UserError) as on_the_command_line:
        compose_tree([f"{old}=1"])
    assert str(in_a_file.value) == str(on_the_command_line.value) == expected


def test_a_monitor_with_its_mode_in_it_is_answered_with_both_keys(conf: dict[str, Any]) -> None:
    with pytest.raises(
        UserError, match=r"set models\.vgg19\.train\.monitor=val_accuracy and models\.vgg19\.train\.mode=max"
    ):
        validate(changed(conf, "models.vgg19.train.monitor=max.val_accuracy"))


@pytest.mark.parametrize("value", ["/data/my pets (2024)", "/data/a,b=c", "https://h/x.zip?a=1&b={c}", "~/pets", "[x"])
def test_a_value_that_hydra_cannot_read_is_answered_with_its_quotes(value: str) -> None:
    override = f"datasets.folder.fetch.url={value}"
    with pytest.raises(UserError) as refused:
        compose_tree([override])
    assert str(refused.value).startswith(f"{override}: Hydra cannot read this")
    assert "quotes" in str(refused.value)
    quoted = compose_tree([f'datasets.folder.fetch.url="{value}"'])
    assert quoted["datasets"]["folder"]["fetch"]["url"] == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("models.vgg19.train.lrr=1", "models.vgg19.train.lrr: unknown key; did you mean lr?"),
        ("models.vg19.train.lr=1", "models.vg19: unknown key; did you mean vgg19?"),
        ("models.vgg19.train.lr=${nothing}", "Interpolation key 'nothing' not found"),
        ("indexes.mosaic.matchs.top_k=1", "indexes.mosaic.matchs: unknown key; did you mean matches?"),
        ("profile=demoo", "profile: unknown name 'demoo'; did you mean demo?"),
    ],
)
def test_wrong_overrides_are_answered(override: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        compose_tree([override])
    assert message in str(refused.value)
