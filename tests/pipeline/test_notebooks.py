"""Every notebook, executed."""

import json
import socket
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pipeline.projects import served

pytestmark = pytest.mark.slow


def execute(name: str, project: Path) -> str:
    """Run a notebook in a project; return all that it shows, as JSON."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    done = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(project)}}).execute()
    return json.dumps([cell.get("outputs", []) for cell in done.cells])


@pytest.mark.parametrize(("model", "pictures"), [("xception", 2), ("resnet50", 3), ("mosaic", 2)])
def test_the_notebooks_run(model: str, pictures: int, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(f"bento.service:{model}", built) as address:
        monkeypatch.setenv("BESTIARY_URL", address)
        monkeypatch.setenv("DVC_ROOT", str(built))
        shown = execute(model, built)
    assert shown.count("image/png") == pictures


def test_the_notebook_of_ones_own_pictures_ends_with_a_page(branch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BESTIARY_PORT", str(free.getsockname()[1]))
    monkeypatch.setenv("BESTIARY_WEIGHTS", "none")
    monkeypatch.setenv("DVC_ROOT", str(branch))
    shown = execute("breeds", branch)
    assert shown.count("image/png") == 4, "three plots, and the picture that the page shows"
    assert "ipywidgets" not in shown
    assert "evaluated breeds: test accuracy" in shown
    assert "as the model sees it" in shown
    assert len(list(branch.glob("runs/*/*-own/artifacts/packages/breeds/model.onnx"))) == 1
