from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.core.workspace import MODEL, PREPARED, Workspace


def test_a_run_reads_the_project_where_it_has_nothing_itself(tmp_path: Path) -> None:
    run, project = tmp_path / "run", tmp_path / "project"
    (project / "data" / "prepared" / "pets").mkdir(parents=True)
    workspace = Workspace(run, project)
    assert workspace.input(PREPARED, "pets") == project / "data" / "prepared" / "pets"
    (run / "data" / "prepared" / "pets").mkdir(parents=True)
    assert workspace.input(PREPARED, "pets") == run / "data" / "prepared" / "pets"


def test_what_is_missing_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro train@vgg19"):
        Workspace(tmp_path, tmp_path).input(MODEL, "vgg19")


def test_a_run_writes_itself_only(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "run", tmp_path / "project")
    with workspace.output(MODEL, "m") as folder:
        (folder / "w").touch()
    assert (tmp_path / "run" / "artifacts" / "models" / "m" / "w").exists()
    assert not (tmp_path / "project").exists()
