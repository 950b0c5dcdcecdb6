"""Rules of the house that a tool does not know."""

from pathlib import Path

import pytest
import yaml

from benchmarks.timing import Ratio
from tests.conftest import ROOT, python

FOLDERS = ("stages", "bento", "benchmarks", "attacks")
CODE = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_modules_are_well_named(file: Path) -> None:
    assert file.stem not in ("utils", "helpers", "misc", "common")


@pytest.mark.parametrize("stage", [stage for stage in PIPELINE["stages"] if (ROOT / "stages" / stage).is_dir()])
def test_every_stage_has_its_group_in_conf(stage: str) -> None:
    groups = {folder.name for folder in (ROOT / "conf").iterdir()}
    assert groups & {stage, f"{stage}es"}  # `index=…` would name a group, were it called so


def test_a_ratio_is_the_median_of_pairs() -> None:
    assert Ratio("c", "a", "b", [1.0, 9.0, 2.0], "≥ 1").median == 2.0


def test_nothing_reports_home(tmp_path: Path) -> None:
    """ONNX Runtime keeps what it will report below HOME, from its import on."""
    code = "import bento.model, mlflow.telemetry.utils as told; assert told.is_telemetry_disabled()"
    python("-c", code, HOME=str(tmp_path))
    assert not list(tmp_path.rglob("*.db"))


@pytest.mark.parametrize("stage", ["fetch", "preprocess", "train", "index"])
def test_no_command_imports_what_only_a_cluster_needs(stage: str) -> None:
    code = f"""
import runpy, sys
sys.argv = ["{stage}", "nothing=1"]
try:
    runpy.run_module("stages.{stage}", run_name="__main__")
except SystemExit as end:
    assert end.code == 2
assert not {{"ray", "submitit"}} & set(sys.modules)
"""
    python("-c", code)
