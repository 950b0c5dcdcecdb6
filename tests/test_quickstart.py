"""The notebook for a stranger, in a fresh copy of the project."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.server import free_port
from tests.conftest import ROOT

FILE = ROOT / "notebooks" / "quickstart.ipynb"


@pytest.mark.slow
def test_the_quickstart_ends_with_a_prediction(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(FILE, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    monkeypatch.setenv("BESTIARY_PROFILE", "smoke")
    monkeypatch.setenv("BESTIARY_PORT", str(free_port()))
    resources = {"metadata": {"path": str(project)}}
    done = NotebookClient(notebook, timeout=600, resources=resources).execute()
    shown = json.dumps([cell.get("outputs", []) for cell in done.cells])
    assert shown.count("image/png") == 4, "samples, curves, confusion, predictions"
    assert "unknown key; did you mean brightness?" in shown
    assert "trained base_cnn: kept epoch" in shown
    assert "evaluated base_cnn: test accuracy" in shown
    assert "max_abs_difference" in shown
    assert len(list(project.glob("runs/*/*-quickstart/artifacts/packages/base_cnn/model.onnx"))) == 1
    assert not (project / "artifacts").exists(), "nothing that DVC tracks was touched"
    shutil.rmtree(project)
