from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.core.registry import LAYOUT, NETWORKS, Option, check_options, list_modules, load_module, read_options
from tests.conftest import ROOT, python

TINY = """
from torch import nn

def build(classes: int, size: int, *, width: int, bias: bool = True) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, width), nn.Linear(width, classes, bias=bias))
"""

NETWORK = NETWORKS["lightning"]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "tiny_plugin.py").write_text(TINY)
    monkeypatch.syspath_prepend(tmp_path)
    return "tiny_plugin"


def test_files_are_names() -> None:
    assert set(list_modules(NETWORK, [])) >= {"base_cnn", "vgg19"}
    assert set(list_modules(LAYOUT, [])) >= {"kaggle"}


def test_every_network_declares_its_options() -> None:
    for module in list_modules(NETWORK, []).values():
        assert all(option.type for option in read_options(NETWORK, module).values())


def test_a_plugin_is_an_entry(plugin: str) -> None:
    assert read_options(NETWORK, plugin) == {"width": Option("int", True), "bias": Option("bool", False)}
    assert load_module(NETWORK, "tiny_plugin", [plugin]).build(2, 4, width=3)
    assert plugin not in list_modules(LAYOUT, [plugin])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "tiny_plugin"}, "net.width: missing (int)"),
        ({"name": "tiny_plugin", "width": True}, "net.width: True is not of type int"),
        ({"name": "tiny_plugin", "width": 1, "bais": True}, "net.bais: unknown key; did you mean bias?"),
        ({}, "net.name: missing"),
    ],
)
def test_options_are_checked(given: dict[str, object], message: str, plugin: str) -> None:
    with pytest.raises(UserError, match="net") as refused:
        check_options(NETWORK, given, [plugin], "net")
    assert message in str(refused.value)


def test_checking_loads_no_framework() -> None:
    code = (
        "import sys; from stages.config.composition import compose_tree; from stages.config.load import validate; "
        "validate(compose_tree()); print([m for m in sys.modules if m in %r])"
    )
    heavy = ["torch", "mlflow", "dvc", "bentoml", "tensorflow", "matplotlib", "pandas"]
    assert python("-c", code % heavy).stdout.strip() == "[]"


def test_a_network_and_a_dataset_are_added_from_outside(project: Path, tmp_path: Path) -> None:
    """A model and a dataset in a folder of one's own, nothing of the project touched."""
    mine = tmp_path / "mine"
    (mine / "conf" / "models").mkdir(parents=True)
    (mine / "conf" / "datasets").mkdir()
    (mine / "tiny_plugin.py").write_text(TINY)
    (mine / "conf" / "datasets" / "pets.yaml").write_text(
        "defaults: [/fetch@fetch: default, /preprocess@preprocess: default, _self_]\n"
        "fetch:\n  layout: {name: kaggle}\n  url: synthetic\n"
        "  synthetic: {images: 24, corrupt: 0, unlabelled: 0, largest: 130}\n"
        "preprocess: {size: 16}\n"
    )
    (mine / "conf" / "models" / "mini.yaml").write_text(
        "defaults: [/framework@_here_: lightning, _self_]\n"
        "dataset: pets\n"
        "train: {network: {name: tiny_plugin, width: 4}, epochs: 1}\n"
    )
    added = ["--config-dir", str(mine / "conf"), "+datasets@datasets.pets=pets", "+models@models.mini=mini"]
    words = [*added, "plugins=[tiny_plugin]", "profile=smoke", "from=run"]
    (project / "run").mkdir()
    for stage, pick in (("fetch", "dataset=pets"), ("preprocess", "dataset=pets"), ("train", "model=mini")):
        python("-m", f"stages.{stage}", *words, pick, cwd=project, PYTHONPATH=str(mine))
    assert (project / "run" / "artifacts" / "models" / "mini" / "weights.safetensors").exists()
    assert not (project / "artifacts").exists()
    assert not list((ROOT / "conf").rglob("mini.yaml"))
