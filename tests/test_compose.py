from pathlib import Path

import pytest

from stages.compose import compare_trees
from tests.conftest import python


def test_differences_name_the_keys() -> None:
    found = compare_trees({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2, "d": 4}})
    assert found == ["a.b: conf/ 1, params.yaml 3", "a.d: conf/ '(absent)', params.yaml 4"]


def test_check_names_what_differs_and_the_mend(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("max_body_mb: 16.0", "max_body_mb: 8.0"))
    done = python("-m", "stages.compose", "--check", cwd=project, check=False)
    assert done.returncode == 2
    assert "bento.max_body_mb: conf/ 16.0, params.yaml 8.0" in done.stderr
    assert "python -m stages.compose" in done.stderr
    python("-m", "stages.compose", "--check", cwd=project, DVC_EXP_NAME="an-experiment")
    python("-m", "stages.compose", cwd=project)
    python("-m", "stages.compose", "--check", cwd=project)
    assert (project / "artifacts" / "composed.txt").exists()


@pytest.mark.parametrize(
    "word", ["profile=nope", "models.vgg19.train.lr=-1", "models.vgg19.train.lrr=1", "++models.vg19.train.lr=1"]
)
def test_nothing_wrong_is_written(word: str, project: Path) -> None:
    before = (project / "params.yaml").read_text()
    done = python("-m", "stages.compose", word, cwd=project, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert (project / "params.yaml").read_text() == before
