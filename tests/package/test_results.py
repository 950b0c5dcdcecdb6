"""What is published stands alone, and appears all at once."""

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from stages import publish
from stages.backends.base import framework
from stages.core import remote as store
from stages.core.context import StageContext
from stages.core.errors import UserError
from stages.core.files import hash_file, write_json
from stages.core.workspace import Workspace
from stages.package.results import write_results
from stages.train.history import write_history
from stages.train.model import Description, describe, save
from tests.conftest import python, tree

RESNET = {"name": "resnet50", "layer_size": 64, "dropout": 0.5}
METRICS = {"images": 24, "accuracy": 0.75, "loss": 0.5, "roc_auc": None}


@pytest.fixture
def home(tmp_path: Path, trained: Path) -> Path:
    """Return a project that holds resnet50, tested and packaged, its weights as they were born."""
    from stages.train.model import build

    torch.manual_seed(2)
    network = build("lightning", RESNET, 2, 48, []).eval()
    config = tree().models["resnet50"].train
    model = tmp_path / "artifacts" / "models" / "resnet50"
    model.mkdir(parents=True)
    described = {**describe(trained).config, "network": RESNET, "lr": config.lr, "epochs": 1}
    best = {"best_epoch": 1.0, "best_val_accuracy": 0.7, "best_val_loss": 0.6}
    description = replace(describe(trained), name="resnet50", config=described, trained=best)
    save(model, framework("lightning").state(network), description)
    rows = [{"epoch": 1.0, "train_loss": 0.7, "train_accuracy": 0.6, "val_loss": 0.6, "val_accuracy": 0.7, "lr": 0.001}]
    write_history(model / "history.csv", rows)
    report, package = (tmp_path / "artifacts" / name / "resnet50" for name in ("reports", "packages"))
    report.mkdir(parents=True)
    package.mkdir(parents=True)
    weights = hash_file(model / "weights.safetensors")
    write_json(report / "metrics.json", METRICS)
    write_json(report / "tested.json", {"weights": weights})
    (package / "model.onnx").write_bytes(b"onnx")
    write_json(package / "model.json", {"sha256": {"weights": weights}})
    write_json(package / "parity.json", {})
    return tmp_path


def job(home: Path, to: str) -> StageContext:
    return StageContext("publish", tree(f"models.resnet50.publish.to='{to}'"), "resnet50", Workspace(home, home))


def test_epochs_and_arguments_have_their_published_names(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    model, report, package = (home / "artifacts" / name / "resnet50" for name in ("models", "reports", "packages"))
    write_results(folder, describe(model), model, report, package, {})
    with (folder / "training_result.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert list(row) == ["epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy"]
    assert row["epoch"] == "1"
    assert (row["test_loss"], row["test_accuracy"]) == ("0.6", "0.7"), "of the split that chooses the epoch"
    found = json.loads((folder / "metadata.json").read_text())
    assert (found["best_epoch"], found["best_epoch_test_accuracy"]) == (1, 0.7)
    assert found["arguments"]["lr"] == 0.001


def logits(home: Path, pixels: torch.Tensor) -> torch.Tensor:
    from stages.backends.lightning.model import restore

    folder = home / "artifacts/models/resnet50"
    with torch.inference_mode():
        found: torch.Tensor = restore(folder, describe(folder))(pixels)
    return found


def test_the_script_rebuilds_the_network_in_a_clean_interpreter(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    model, report, package = (home / "artifacts" / name / "resnet50" for name in ("models", "reports", "packages"))
    write_results(folder, describe(model), model, report, package, {"framework": "pytorch", "action": "dogs_vs_cats"})
    torch.manual_seed(1)
    pixels = torch.randn(3, 3, 48, 48)
    np.save(folder / "pixels.npy", pixels.numpy())
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('stages', 'pytorch_lightning')));"  # None: not importable
        "import numpy as np, torch; from prep_model import prep_model; m = prep_model('model_state_dict.pth', 'cpu');"
        "same = prep_model(torch.load('model_state_dict.pth'), 'cpu', num_classes=2);"
        "x = torch.from_numpy(np.load('pixels.npy'));"
        "assert not m.training and torch.equal(m(x), same(x)); np.save('logits.npy', m(x).detach().numpy())"
    )
    python("-c", code, cwd=folder)
    assert np.allclose(np.load(folder / "logits.npy"), logits(home, pixels).numpy(), atol=1e-6)
    with (folder / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "val_accuracy": "0.7", "val_loss": "0.6", "test_images": "24", "test_accuracy": "0.75", "test_loss": "0.5",
        "kept_epoch": "1.0", "batch_size": "8", "epochs": "1", "lr": "0.001", "layer_size": "64", "dropout": "0.5",
        "framework": "pytorch", "action": "dogs_vs_cats", "model_file": "model_state_dict.pth",
    }  # fmt: skip


def test_it_is_in_the_bucket_whole_and_only_once(
    bucket: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
    upload, order = store.upload_file, list[str]()

    def dying(file: Path, url: str) -> None:
        if file.name == "model_state_dict.pth" and "dead" not in order:
            order.append("dead")
            raise KeyboardInterrupt
        order.append(file.name)
        upload(file, url)

    monkeypatch.setattr(store, "upload_file", dying)
    with pytest.raises(KeyboardInterrupt):
        publish.main.task(job(home, bucket))
    files, base = fsspec.core.url_to_fs(bucket, use_listings_cache=False)
    assert not [path for path in files.find(base) if path.endswith("manifest.json")], "nothing counts yet"
    publish.main.task(job(home, bucket))
    assert order[-1] == "manifest.json"
    (manifest,) = (path for path in files.find(base) if path.endswith("manifest.json"))
    told = json.loads(files.cat_file(manifest))
    there = {Path(path).name for path in files.find(base)}
    assert there == {*told["files"], "manifest.json"}
    assert {"results.csv", "model_state_dict.pth", "prep_model.py", "model.onnx"} <= there
    for name, described in told["files"].items():
        content = files.cat_file(manifest.replace("manifest.json", name))
        assert hashlib.sha256(content).hexdigest() == described["sha256"]

    uploads = len(order)
    publish.main.task(job(home, bucket))
    assert len(order) == uploads
    assert "published already" in capsys.readouterr().out


def test_a_folder_will_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
    publish.main.task(job(home, "published"))
    (folder,) = (home / "published").iterdir()
    assert len(list(folder.iterdir())) == 9


def test_int8_is_published_beside_fp32(home: Path, tmp_path: Path) -> None:
    model, report, package = (home / "artifacts" / name / "resnet50" for name in ("models", "reports", "packages"))
    (package / "model.int8.onnx").write_bytes(b"int8")
    write_json(package / "model.json", {"int8": {"file": "model.int8.onnx"}})
    folder = tmp_path / "results"
    folder.mkdir()
    write_results(folder, describe(model), model, report, package, {})
    assert (folder / "model.int8.onnx").read_bytes() == b"int8"
    assert (folder / "model.onnx").read_bytes() == b"onnx"


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("packages/resnet50/model.json", {"sha256": {"weights": "others"}}, "python -m stages.package model=resnet50"),
        ("reports/resnet50/tested.json", {"weights": "others"}, "python -m stages.evaluate model=resnet50"),
    ],
)
def test_only_what_belongs_together_is_published(file: str, content: object, says: str, home: Path) -> None:
    write_json(home / "artifacts" / file, content)
    with pytest.raises(UserError, match=f"made of other weights.*{says}"):
        publish.main.task(job(home, "x"))


def test_what_a_label_says_is_data(home: Path) -> None:
    """A label is text of other people's; in a script it must stay text."""
    from stages.package.results import script

    nasty = ['x"""\nraise SystemExit(1)\n"""', "C:\\Users", "{size}"]
    described: Description = describe(home / "artifacts/models/resnet50")
    for config in (described.config, {**described.config, "framework": "keras", "network": {"name": "xception"}}):
        space: dict[str, object] = {}
        code = script(replace(described, labels=nasty, config=config)).replace("import keras\n", "")
        exec(compile(code, "prep_model.py", "exec"), space)
        assert space["LABELS"] == nasty


def test_a_network_with_imports_from_the_future_travels_too(tmp_path: Path) -> None:
    from stages.package.results import PREP_TORCH, body

    file = tmp_path / "own.py"
    file.write_text('"""Own."""\nfrom __future__ import annotations\n\ndef build(classes, size): ...\n')
    future, network = body(file)
    values = {"labels": [], "size": 1, "mean": [], "std": [], "classes": 2, "options": {}}
    compile(PREP_TORCH.format(future=future, network=network, **values), "prep_model.py", "exec")


def test_a_keras_model_comes_with_a_script_of_its_own(home: Path) -> None:
    from stages.package.results import script

    described = describe(home / "artifacts/models/resnet50")
    keras = replace(described, config={**described.config, "framework": "keras", "network": {"name": "xception"}})
    code = script(keras)
    compile(code, "prep_model.py", "exec")
    assert "keras.saving.load_model(model_file)" in code
