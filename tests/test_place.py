from pathlib import Path

import pytest

from stages.errors import UserError
from stages.place import MODEL, PREPARED, Place


def test_a_run_reads_the_project_where_it_has_nothing_itself(tmp_path: Path) -> None:
    run, project = tmp_path / "run", tmp_path / "project"
    (project / "data" / "prepared" / "pets").mkdir(parents=True)
    place = Place(run, project)
    assert place.read(PREPARED, "pets") == project / "data" / "prepared" / "pets"
    (run / "data" / "prepared" / "pets").mkdir(parents=True)
    assert place.read(PREPARED, "pets") == run / "data" / "prepared" / "pets"


def test_what_is_missing_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro train@vgg19"):
        Place(tmp_path, tmp_path).read(MODEL, "vgg19")


def test_a_run_writes_itself_only(tmp_path: Path) -> None:
    place = Place(tmp_path / "run", tmp_path / "project")
    with place.write(MODEL, "m") as folder:
        (folder / "w").touch()
    assert (tmp_path / "run" / "artifacts" / "models" / "m" / "w").exists()
    assert not (tmp_path / "project").exists()
