"""dvc.yaml against the code and the config it speaks of."""

import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from stages.config.composition import compose_tree
from stages.package.bento import CODE_FILES
from tests.conftest import ROOT, python, run

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = OmegaConf.create(compose_tree())
STAGES = {name: stage.get("do", stage) for name, stage in PIPELINE.items()}


def filled(text: str, stage: str) -> list[str]:
    """Return a templated string for every item of a stage's foreach."""
    over = PIPELINE[stage].get("foreach", "").strip("${}")
    if not over:
        return [text]
    items = PARAMS[over]
    names = re.findall(r"\$\{item\.([^}]+)\}", text)
    return [
        functools.reduce(
            lambda line, name: line.replace(f"${{item.{name}}}", str(OmegaConf.select(item, name))),
            names,
            text.replace("${key}", key),
        )
        for key, item in items.items()
    ]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_a_module_that_exists(name: str) -> None:
    module = re.match(r"python -m (\S+)", STAGES[name]["cmd"])
    assert module is not None
    found = module[1]
    assert importlib.util.find_spec(found) or importlib.util.find_spec(f"{found}.__main__")
    assert name in found, "stage = folder"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_code_and_params_that_exist(name: str) -> None:
    for dep in (path for text in STAGES[name]["deps"] for path in filled(text, name)):
        assert dep.startswith(("data", "artifacts")) or (ROOT / dep).exists(), dep
    for param in STAGES[name].get("params", []):
        for key in filled(param, name):
            assert OmegaConf.select(PARAMS, key) is not None, key


def outputs(stage: dict[str, Any]) -> list[str]:
    listed = [*stage.get("outs", []), *stage.get("plots", []), *stage.get("metrics", [])]
    return [next(iter(item)) if isinstance(item, dict) else item for item in listed]


def test_what_a_stage_reads_another_writes() -> None:
    written = [path for name, stage in STAGES.items() for out in outputs(stage) for path in filled(out, name)]
    for name, stage in STAGES.items():
        for dep in stage["deps"]:
            if dep.startswith(("data", "artifacts")):
                for path in filled(dep, name):
                    assert any(out == path or out.startswith(f"{path}/") for out in written), path


def test_a_stage_depends_on_folders_and_the_few_files_that_shape_bytes() -> None:
    code = {dep for stage in STAGES.values() for dep in stage["deps"] if not dep.startswith(("data", "artifacts"))}
    assert len([dep for dep in code if dep.startswith("stages/core/")]) <= 5
    assert len([dep for dep in code if dep.startswith("stages/")]) <= 17
    for name in ("fetch", "preprocess", "train", "evaluate", "package", "index"):
        assert f"stages/{name}" in STAGES[name]["deps"]


def test_a_plot_or_a_new_network_or_layout_reruns_nothing() -> None:
    for name in ("fetch", "preprocess", "train", "package"):
        assert not {"stages", "stages/core", "stages/layouts", "stages/networks"} & set(STAGES[name]["deps"])
        assert not any(re.search("evaluate|plots|bento$", dep) for dep in STAGES[name]["deps"])


def test_a_bento_depends_on_the_code_that_travels_in_it() -> None:
    for file in CODE_FILES:
        assert file == "stages/__init__.py" or any(file.startswith(dep) for dep in STAGES["bento"]["deps"]), file


def test_a_model_and_its_dataset_are_their_files_and_a_line_each(project: Path) -> None:
    conf = project / "conf"
    (conf / "datasets" / "pets.yaml").write_text((conf / "datasets" / "folder.yaml").read_text())
    (conf / "models" / "pets.yaml").write_text(
        (conf / "models" / "base_cnn.yaml").read_text().replace("kaggle", "pets")
    )
    config, models = conf / "config.yaml", "  - models@models.base_cnn: base_cnn\n"
    added = f"  - datasets@datasets.pets: pets\n{models}  - models@models.pets: pets\n"
    config.write_text(config.read_text().replace(models, added))
    python("-m", "stages.compose", cwd=project)
    run("git", "init", "-q", cwd=project)
    stages = run("dvc", "stage", "list", "--name-only", cwd=project).stdout.split()
    assert {"fetch@pets", "preprocess@pets", "train@pets", "evaluate@pets", "package@pets"} < set(stages)
    done = python("-m", "stages.train", "--config-name", "repro", "model=pets", cwd=project, check=False)
    assert "data/prepared/pets: not there yet; make it with `dvc repro preprocess@pets`" in done.stderr


def test_no_output_is_uncached_or_kept_between_runs() -> None:
    assert not re.search(r"persist|cache: false", (ROOT / "dvc.yaml").read_text())
