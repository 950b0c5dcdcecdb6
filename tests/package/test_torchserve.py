"""The archive is loaded here as TorchServe loads it: its own folder on the path, nothing of this project."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stages.files import sha256_file
from stages.package.torchserve import archive
from stages.preprocess.decode import pixels
from stages.train.lightning import native, portable
from stages.train.model import describe
from tests.conftest import encoded, photo

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
rows = [{"body": open(image, "rb").read()}, {"data": open(image, "rb").read()}]
assert not any(name.startswith(("stages", "bento")) for name in sys.modules)
print(json.dumps(handler.postprocess(handler.inference(handler.preprocess(rows)))))
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


def test_it_answers_as_the_network_does_without_this_project(mar: Path, trained: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(mar) as opened:
        opened.extractall(tmp_path / "model")
    image = tmp_path / "image.jpg"
    image.write_bytes(encoded(photo(300, 200), "JPEG"))
    (tmp_path / "load.py").write_text(LOADER)
    words = [sys.executable, "-I", str(tmp_path / "load.py"), str(tmp_path / "model"), str(image)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    description = describe(trained)
    expected = native(trained, description)(pixels(image.read_bytes(), 48, "squash")[None])[0]
    assert answers[0] == answers[1]
    assert answers[0] == pytest.approx({description.labels[int(expected.argmax())]: float(expected.max())}, abs=1e-5)


def test_equal_models_give_equal_archives(mar: Path, trained: Path, tmp_path: Path) -> None:
    assert sha256_file(pack(trained, tmp_path)) == sha256_file(mar)
