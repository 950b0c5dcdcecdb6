"""DVC's way into a stage: its part of params.yaml, checked, without Hydra."""

import pickle
from pathlib import Path

import pytest

from stages.config.command import StageCommand
from stages.config.load import choose_params, read_params, validate
from stages.core.errors import UserError
from stages.train.__main__ import main
from tests.conftest import ROOT, python

REPRO = ("--config-name", "repro")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=base_cn"], "model: unknown name 'base_cn'; did you mean base_cnn?"),
        ([], "give model=NAME and nothing else"),
        (["dataset=kaggle"], "give model=NAME and nothing else"),
        (["model=base_cnn", "seed=3"], "give model=NAME and nothing else; all values are params.yaml's"),
    ],
)
def test_what_dvc_must_say(words: list[str], message: str) -> None:
    done = python("-m", "stages.train", *REPRO, *words, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_dvcs_stage_reads_and_checks_its_own_part(project: Path) -> None:
    params = project / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("epochs: 8", "epochs: eight"))
    done = python("-m", "stages.fetch", *REPRO, "dataset=nothing", cwd=project, check=False)
    assert "dataset: unknown name 'nothing'" in done.stderr, "what other models say is not its business"
    done = python("-X", "importtime", "-m", "stages.train", *REPRO, "model=base_cnn", cwd=project, check=False)
    assert done.returncode == 2
    assert "models.base_cnn.train.epochs: 'eight' is not a whole number" in done.stderr
    loaded = {line.split()[-1] for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "pydantic" in loaded
    assert not {"hydra", "omegaconf", "torch", "mlflow"} & loaded


@pytest.mark.parametrize(("select", "name"), [("model", "vgg19"), ("dataset", "s3_csv"), ("index", "mosaic")])
def test_a_part_of_params_is_valid_by_itself(select: str, name: str) -> None:
    params = read_params(ROOT / "params.yaml")
    names = {group: list(params[group]) for group in ("datasets", "models", "indexes")}
    part = validate(choose_params(params, select, name), names)
    assert len(part.models) + len(part.indexes) + len(part.datasets) == (1 if select == "dataset" else 2)


def test_what_a_part_refers_to_must_exist() -> None:
    params = read_params(ROOT / "params.yaml")
    names = {"datasets": ["folder"], "models": ["vgg19"], "indexes": []}
    with pytest.raises(UserError, match=r"models\.vgg19\.dataset: unknown name 'kaggle'"):
        validate(choose_params(params, "model", "vgg19"), names)


def test_launchers_find_a_command_by_its_module() -> None:
    again = pickle.loads(pickle.dumps(main.run_job)).__self__
    assert isinstance(again, StageCommand)
    assert again.stage == "train"
