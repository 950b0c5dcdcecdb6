import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.pipeline.projects import begin, fork, go_on, once


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which `dvc repro` has made base_cnn alone, with the smoke profile."""
    return once(tmp_path_factory, "first", begin)


@pytest.fixture(scope="session")
def built(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which `dvc repro` has gone on from there and made everything."""
    return once(tmp_path_factory, "built", partial(go_on, first))


@pytest.fixture
def branch(built: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the built project that a test may change."""
    yield fork(built, tmp_path / "project")
    shutil.rmtree(tmp_path / "project")


@pytest.fixture
def first_branch(first: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the project with base_cnn alone that a test may change."""
    yield fork(first, tmp_path / "project")
    shutil.rmtree(tmp_path / "project")
