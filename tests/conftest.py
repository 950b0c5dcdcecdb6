import dataclasses
import io
import shutil
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from PIL import Image

from attacks.project import copy_project, environment
from stages.config.composition import compose_tree, to_plain
from stages.config.load import validate
from stages.config.schema import Config, Synthetic, Train, Tree
from tests.stores import bucket, gcs, s3  # noqa: F401  # fixtures

if TYPE_CHECKING:
    from stages.preprocess.store import Store
    from stages.train.model import Description

ROOT = Path(__file__).resolve().parents[1]
SMALL = Synthetic(images=48, unlabelled=4, corrupt=4, classes=2, smallest=64, largest=120)


def tree(*overrides: str) -> Tree:
    """Compose and check conf/ with the smoke profile; each asker gets a tree of its own."""
    return deepcopy(composed(*overrides))


@pytest.fixture(scope="session")
def conf() -> dict[str, Any]:
    """Return conf/, composed as it is."""
    return compose_tree()


def changed(config: dict[str, Any], *overrides: str) -> dict[str, Any]:
    """Return a composed tree with other values, as Hydra would set them, without composing all of it again."""
    found = OmegaConf.create(config)
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        OmegaConf.update(found, override.key_or_group, override.value(), force_add=True)
    return to_plain(found)


def replace(item: Any, **changes: Any) -> Any:
    """Return a copy of a config section, or of a dataclass, with other values."""
    if isinstance(item, Config):
        return item.model_copy(update=changes)
    return dataclasses.replace(item, **changes)


@cache
def composed(*overrides: str) -> Tree:
    return validate(compose_tree(["profile=smoke", *overrides]))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return a picture's file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """Return a smooth random picture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def run(*command: str, cwd: Path, check: bool = True, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would; show what it printed if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, check=False, timeout=900
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} → {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def python(*words: str, cwd: Path = ROOT, check: bool = True, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the project's interpreter."""
    return run(sys.executable, *words, cwd=cwd, check=check, **changes)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs the whole pipeline last: one worker builds it while another tests what needs one model."""
    items.sort(key=lambda item: "built" in getattr(item, "fixturenames", ()))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a fresh copy of the project."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small drawn archive in Kaggle's layout."""
    from stages.layouts import kaggle

    return kaggle.draw(tmp_path_factory.mktemp("raw"), SMALL, seed=7)


@pytest.fixture(scope="session")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return that archive prepared at 48 pixels."""
    from stages.core.files import write_json
    from stages.layouts import kaggle
    from stages.preprocess.pack import pack
    from stages.preprocess.report import report

    folder = tmp_path_factory.mktemp("prepared")
    config = tree().datasets["kaggle"].preprocess
    manifest = pack(kaggle.entries(archive, folder / "nested"), config, folder)
    write_json(folder / "report.json", report("kaggle", "synthetic", manifest, config))
    return folder


@pytest.fixture(scope="session")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return base_cnn trained for an epoch on it."""
    from stages.backends.base import framework
    from stages.preprocess.store import Store
    from stages.train.model import save

    folder = tmp_path_factory.mktemp("model")
    store = Store(prepared)
    config = tree("models.base_cnn.train.epochs=1").models["base_cnn"].train
    chosen = framework("lightning")
    network = chosen.prepare(config, store, [])
    found = chosen.train(network, config, store, tmp_path_factory.mktemp("scratch"), lambda _: None)
    save(folder, chosen.state(found.network), described(store, config, found.best))
    return folder


def described(store: "Store", config: Train, best: dict[str, float], name: str = "base_cnn") -> "Description":
    """Return the description of a model trained on a store."""
    from stages.train.model import Description

    found = {
        "monitor": "val_loss",
        "mode": "min",
        "parameters": 1,
        **{f"best_{key}": value for key, value in best.items()},
    }
    return Description(
        name=name, dataset="kaggle", data=store.fingerprint, labels=store.labels, size=store.size, resize="squash",
        plugins=[], config=config.model_dump(), trained=found,
    )  # fmt: skip


@pytest.fixture(scope="session")
def package(prepared: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of packages that holds base_cnn as ONNX, with its examples."""
    from stages.backends.base import framework
    from stages.core.files import write_json
    from stages.package.__main__ import contract
    from stages.package.examples import write_examples
    from stages.package.onnx import export
    from stages.preprocess.store import Store
    from stages.train.model import describe

    folder = tmp_path_factory.mktemp("packages")
    (folder / "base_cnn").mkdir()
    description = describe(trained)
    model = framework("lightning").portable(trained, description)
    export(model, description.size, 20, folder / "base_cnn" / "model.onnx")
    config = tree().models["base_cnn"].package
    store = Store(prepared)
    examples = {"examples": write_examples(store.split("test"), store.labels, folder / "base_cnn")}
    write_json(folder / "base_cnn" / "model.json", contract(description, config, "onnx", "weights") | examples)
    return folder


@pytest.fixture(scope="session")
def quantized(package: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of packages like that one, in which base_cnn has an int8 edition, whatever it costs."""
    from stages.core.files import read_json, write_json
    from stages.package.quantize import attempt
    from stages.preprocess.store import Store

    folder = tmp_path_factory.mktemp("quantized")
    shutil.copytree(package / "base_cnn", folder / "base_cnn")
    config = tree("models.base_cnn.package.quantize_drop=100").models["base_cnn"].package
    found = attempt(folder / "base_cnn", Store(prepared), config, 0)
    contract = folder / "base_cnn" / "model.json"
    write_json(contract, read_json(contract) | {"int8": found.contract})
    return folder
