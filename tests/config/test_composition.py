"""What is composed: all for params.yaml, a part for a person's command; both say the same."""

import shutil
from pathlib import Path

import pytest
import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from stages.config import composition
from stages.config.composition import Conf, choose_entries, compose, compose_tree, list_selected, to_plain, unquote
from stages.config.load import read_yaml, validate
from stages.core.errors import UserError
from stages.core.workspace import CONF
from tests.conftest import ROOT

PROFILES = sorted(file.stem for file in (CONF / "profile").glob("*.yaml"))
MODEL = """
defaults: [/framework@_here_: lightning, _self_]
dataset: {dataset}
train:
  network: {{name: base_cnn, dropout: 0.1}}
  lr: {lr}
"""


@pytest.fixture
def conf_folder(tmp_path: Path) -> Path:
    """A copy of conf/, to which models are added."""
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


def add_model(conf: Path, name: str, dataset: str = "kaggle", lr: str = "1e-3") -> None:
    (conf / "models" / f"{name}.yaml").write_text(MODEL.format(dataset=dataset, lr=lr))
    config = conf / "config.yaml"
    entry = "  - models@models.base_cnn: base_cnn\n"
    config.write_text(config.read_text().replace(entry, f"{entry}  - models@models.{name}: {name}\n"))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_composes(profile: str) -> None:
    tree = validate(compose_tree([f"profile={profile}"]))
    assert set(tree.models) >= {"base_cnn", "vgg19", "xception"}
    assert tree.models["vgg19"].train.lr > 0


def test_documented_values() -> None:
    tree = validate(compose_tree(["profile=documented"]))
    base, vgg = tree.models["base_cnn"].train, tree.models["vgg19"].train
    assert tree.datasets["kaggle"].preprocess.size == 224
    assert (base.epochs, vgg.epochs, base.lr, vgg.weights) == (10, 3, 1e-3, "imagenet")
    pets, xception = tree.datasets["petimages"], tree.models["xception"].train
    assert (pets.preprocess.size, pets.preprocess.split.val, xception.epochs, xception.batch_size) == (180, 0.2, 50, 32)
    assert {Path(url).name for url in (pets.fetch.url, *pets.fetch.alternative_names)} == {
        "kagglecatsanddogs_5340.zip", "kagglecatsanddogs_3367a.zip",
    }  # fmt: skip
    assert (base.network["dropout"], vgg.network["dropout"], base.optimizer.betas) == (0.2, 0.5, [0.9, 0.999])


def test_params_yaml_is_what_conf_says() -> None:
    assert yaml.safe_load((ROOT / "params.yaml").read_text()) == compose_tree()


def test_composing_in_parts_is_what_hydra_composes_at_once(conf_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        add_model(conf_folder, f"mine{number}", lr=f"1e-{number % 5 + 1}")
    add_model(conf_folder, "follower", lr="${models.mine3.train.lr}")
    with initialize_config_dir(str(conf_folder), version_base="1.3"):
        whole = to_plain(hydra_compose("config"))
    monkeypatch.setattr(composition, "CHUNK", 3)
    assert compose_tree(conf=Conf.read(conf_folder)) == whole


@pytest.mark.parametrize(
    "words",
    [
        ["model=base_cnn"],
        ["model=breeds", "profile=smoke"],
        ["model=vgg19", "models.vgg19.dataset=folder", "models.vgg19.train.lr=1e-4", "seed=3"],
        ["model=base_cnn", "models.xception.train.epochs=3"],
    ],
)
def test_a_part_says_what_the_whole_says(words: list[str]) -> None:
    chosen = choose_entries(Conf.read(), words, "model")
    part, whole = to_plain(compose(words, chosen)), compose_tree(words)
    for group, names in chosen.items():
        assert set(part[group]) == names
        assert all(part[group][name] == whole[group][name] for name in names)
    assert {key: part[key] for key in ("trainer", "engine", "bento", "seed")} == {
        key: whole[key] for key in ("trainer", "engine", "bento", "seed")
    }
    model = part["models"][part["model"]]
    assert model["dataset"] in part["datasets"]


@pytest.mark.parametrize(
    ("words", "select", "models", "datasets"),
    [
        (["model=base_cnn"], "model", {"base_cnn"}, {"kaggle"}),
        (["model=base_cnn,breeds"], "model", {"base_cnn", "breeds"}, {"kaggle", "stanford_dogs"}),
        (["model=base_cnn", "models.base_cnn.dataset=folder"], "model", {"base_cnn"}, {"folder"}),
        (["dataset=s3_csv"], "dataset", set(), {"s3_csv"}),
        (["+sweep=resnet50"], "model", {"resnet50"}, {"s3_csv"}),
        (["index=mosaic"], "index", set(), {"artworks"}),
        ([], "model", set(), set()),
    ],
)
def test_what_a_command_composes(words: list[str], select: str, models: set[str], datasets: set[str]) -> None:
    chosen = choose_entries(Conf.read(), words, select)
    assert (chosen["models"], chosen["datasets"]) == (models, datasets)


def test_what_an_interpolation_leads_to_is_composed_too(conf_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_model(conf_folder, "leader", dataset="folder", lr="0.25")
    add_model(conf_folder, "follower", lr="${models.leader.train.lr}")
    add_model(conf_folder, "last", lr="${models.follower.train.lr}")
    conf = Conf.read(conf_folder)
    chosen = choose_entries(conf, ["model=last"], "model")
    assert chosen["models"] == {"last", "follower", "leader"}
    assert to_plain(compose(["model=last"], chosen, conf))["models"]["last"]["train"]["lr"] == 0.25
    monkeypatch.setattr(composition, "CHUNK", 1)
    assert compose_tree(conf=conf)["models"]["last"]["train"]["lr"] == 0.25


def test_a_model_that_a_profile_moves_to_another_dataset_brings_that(conf_folder: Path) -> None:
    profile = conf_folder / "profile" / "smoke.yaml"
    profile.write_text(profile.read_text().replace("  vgg19:\n", "  vgg19:\n    dataset: folder\n"))
    chosen = choose_entries(Conf.read(conf_folder), ["model=vgg19", "profile=smoke"], "model")
    assert chosen["datasets"] == {"folder"}


def test_a_profile_that_names_no_model_of_the_project_is_answered(conf_folder: Path) -> None:
    profile = conf_folder / "profile" / "demo.yaml"
    profile.write_text(profile.read_text().replace("  vgg19:\n", "  vg19:\n"))
    conf = Conf.read(conf_folder)
    with pytest.raises(UserError, match=r"models\.vg19: unknown key; did you mean vgg19\?"):
        compose(["model=base_cnn"], choose_entries(conf, ["model=base_cnn"], "model"), conf)


def test_a_file_that_is_no_yaml_is_named(conf_folder: Path) -> None:
    (conf_folder / "models" / "vgg19.yaml").write_text("train: {lr: [1\n")
    for words in (["model=vgg19"], []):
        with pytest.raises(UserError, match=r"models/vgg19\.yaml, line 2: "):
            compose_tree(words, Conf.read(conf_folder))


def test_the_last_selector_counts() -> None:
    assert list_selected(Conf.read(), ["model=vgg19", "model=null"], "model") == []
    assert list_selected(Conf.read(), ["model=vgg19", 'model="breeds"'], "model") == ["breeds"]


@pytest.mark.parametrize(
    ("value", "plain"), [("a", "a"), ("'a b'", "a b"), ('"a \\" b"', 'a " b'), ('"it\'s"', "it's"), ("'", "'")]
)
def test_quotes_are_taken_off_as_hydra_does(value: str, plain: str) -> None:
    assert unquote(value) == plain


@pytest.mark.parametrize("text", ["1e-3", "1.5", "-2.5e+10", ".5", "7", "yes", "1_000", "true", "null", "a: [1e5, x]"])
def test_yaml_is_read_as_omegaconf_reads_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"key: {text}\n" if ":" not in text else f"{text}\n")
    assert read_yaml(tmp_path / "x.yaml") == OmegaConf.to_container(OmegaConf.load(tmp_path / "x.yaml"))


@pytest.mark.parametrize("name", sorted(file.stem for file in (CONF / "sweep").glob("*.yaml")))
def test_every_search_of_optunas_varies_what_there_is(name: str) -> None:
    words = ["hydra/sweeper=optuna", f"+sweep={name}"]
    conf = Conf.read()
    chosen = choose_entries(conf, words, "model")
    config = compose([*words, "hydra.job.name=train"], chosen, conf, conf.filter(chosen))
    sweeper, train = config.hydra.sweeper, config.models[name].train
    assert sweeper._target_.endswith("OptunaSweeper")
    assert config.model == sweeper.study_name == name
    assert sweeper.direction.startswith(train.mode)
    assert None not in [OmegaConf.select(config, key, throw_on_missing=True) for key in sweeper.params]


def test_every_key_of_a_group_is_commented() -> None:
    for file in CONF.glob("*/default.yaml"):
        for line in file.read_text().splitlines():
            key = line.strip()
            if key and not key.startswith("#") and "${" not in key:
                assert "#" in line, f"{file.name}: {line}"
