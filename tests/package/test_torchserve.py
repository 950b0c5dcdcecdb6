"""The archive is loaded here as TorchServe loads it: its own folder on the path, nothing of this project."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.backends.lightning import native, portable
from stages.core.files import hash_file
from stages.core.image import pixels
from stages.package.torchserve import archive
from stages.train.model import describe
from tests.conftest import encoded, photo

PHOTO = encoded(photo(300, 200), "JPEG")
LOADER = """
import importlib.util, inspect, json, sys, types
folder, image = sys.argv[1:]
sys.path.insert(0, folder)

class BaseHandler:  # what ts.torch_handler.base_handler does for an eager model
    def initialize(self, context):
        import torch, model
        classes = [kind for _, kind in inspect.getmembers(model, inspect.isclass) if kind.__module__ == "model"]
        assert len(classes) == 1, classes
        self.device = torch.device("cpu")
        self.model = classes[0]()
        self.model.load_state_dict(torch.load(folder + "/weights.pth", weights_only=True))
        self.model.eval()

    def inference(self, data):
        import torch
        with torch.inference_mode():
            return self.model(data)

for name in ("ts", "ts.torch_handler", "ts.torch_handler.base_handler"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["ts.torch_handler.base_handler"].BaseHandler = BaseHandler
from torchserve_handler import Handler
handler = Handler()
handler.initialize(types.SimpleNamespace(system_properties={"model_dir": folder}))
sent = open(image, "rb").read()
rows = [{"body": sent}, {"body": b"no picture"}, {"data": sent}, {"data": sent[:200]}]
statuses = {}
handler.context = types.SimpleNamespace(set_response_status=lambda code, phrase, idx: statuses.update({idx: code}))
assert not any(name.startswith(("stages", "bento")) for name in sys.modules)
print(json.dumps([handler.postprocess(handler.inference(handler.preprocess(rows))), statuses]))
"""


@pytest.fixture(scope="module")
def mar(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(trained, tmp_path_factory.mktemp("mar"))


def pack(trained: Path, folder: Path) -> Path:
    model = describe(trained)
    return archive(portable(trained, model).network, model, "1.0", folder)


def test_it_holds_what_is_documented(mar: Path) -> None:
    with zipfile.ZipFile(mar) as opened:
        manifest = json.loads(opened.read("MAR-INF/MANIFEST.json"))
        labels = json.loads(opened.read("index_to_name.json"))
    assert manifest["model"]["modelName"] == "base_cnn"
    assert manifest["model"]["modelVersion"] == "1.0"
    assert manifest["model"]["modelFile"] == "model.py"
    assert labels == {"0": "cat", "1": "dog"}


@pytest.fixture(scope="module")
def answers(mar: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what the archive, alone in a process, says of a photo, of no picture, of the photo, of a part of it."""
    folder = tmp_path_factory.mktemp("alone")
    with zipfile.ZipFile(mar) as opened:
        opened.extractall(folder / "model")
    (folder / "image.jpg").write_bytes(PHOTO)
    (folder / "load.py").write_text(LOADER)
    words = [sys.executable, "-I", "load.py", "model", "image.jpg"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_answers_as_the_network_does_without_this_project(answers: Any, trained: Path) -> None:
    found, _ = answers
    description = describe(trained)
    expected = native(trained, description)(pixels(PHOTO, 48, "squash")[None])[0]
    assert found[0] == found[2]
    assert found[0] == pytest.approx({description.labels[int(expected.argmax())]: float(expected.max())}, abs=1e-5)


def test_one_bad_picture_does_not_spoil_its_batch(answers: Any) -> None:
    found, statuses = answers
    assert statuses == {"1": 415, "3": 400}
    assert [answer.get("code") for answer in found] == [None, 415, None, 400]
    assert found[1]["message"].startswith("Not a picture: not one of JPEG")


def test_it_runs_on_the_python_of_torchserves_image(mar: Path) -> None:
    """3.9: annotations are not evaluated where they say `int | None`, and zip knows no strict."""
    with zipfile.ZipFile(mar) as opened:
        sources = {name: opened.read(name).decode() for name in opened.namelist() if name.endswith(".py")}
    assert {"image.py", "torchserve_handler.py", "network.py", "model.py"} <= set(sources)
    for name, text in sources.items():
        parsed = ast.parse(text, feature_version=(3, 9))
        later = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in parsed.body)
        assert later or not annotated_with_unions(parsed), name
        assert "strict=" not in text, name


def annotated_with_unions(parsed: ast.AST) -> bool:
    """Return whether an annotation says `a | b`."""
    found = [getattr(node, field, None) for node in ast.walk(parsed) for field in ("annotation", "returns")]
    return any(isinstance(node, ast.BinOp) for one in found if one for node in ast.walk(one))


def test_its_ports_are_the_documented_ones_of_this_machine_alone(mar: Path) -> None:
    settings = load_properties(mar.parent / "torchserve" / "config.properties")
    ports = [settings[f"{api}_address"] for api in ("inference", "management", "metrics")]
    assert ports == [f"http://127.0.0.1:{port}" for port in (8080, 8081, 8082)]
    assert settings["load_models"] == f"base_cnn={mar.name}"
    assert settings["model_store"] == "artifacts/packages/base_cnn"


def load_properties(file: Path) -> dict[str, str]:
    """Read a properties file as TorchServe does."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_docker_is_told_where_everything_lies(mar: Path, tmp_path: Path) -> None:
    """A stand-in for docker prints what it was asked; the script runs from anywhere."""
    (tmp_path / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "other model.mar").touch()
    words = ["bash", str(mar.parent / "torchserve" / "run.sh"), "other model.mar"]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(words, cwd=tmp_path, env=path, capture_output=True, text=True, check=True).stdout.splitlines()
    published = [said[number + 1] for number, word in enumerate(said) if word == "-p"]
    assert published == [f"127.0.0.1:{port}:{port}" for port in (8080, 8081, 8082)]
    volumes = [said[number + 1] for number, word in enumerate(said) if word == "-v"]
    inside = "/home/model-server/model-store"
    assert volumes[1:] == [
        f"{mar.resolve()}:{inside}/base_cnn.mar:ro",
        f"{tmp_path.resolve()}/other model.mar:{inside}/other model.mar:ro",
    ]
    assert Path(volumes[0].partition(":")[0]) == mar.parent / "torchserve" / "config.properties"
    image = said.index("pytorch/torchserve:0.12.0-cpu")
    assert said[image + 1] == "torchserve"
    assert said[-2:] == ["base_cnn=base_cnn.mar", "other model=other model.mar"]


def test_equal_models_give_equal_archives(mar: Path, trained: Path, tmp_path: Path) -> None:
    assert hash_file(pack(trained, tmp_path)) == hash_file(mar)
