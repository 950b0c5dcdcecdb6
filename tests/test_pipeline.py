"""The whole pipeline with the smoke profile, by DVC, in a fresh copy of the project; then what users do with it."""

import csv
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from s3fs import S3FileSystem

from stages.files import sha256_file
from tests.conftest import ROOT, copy_project, encoded, environment, photo, python, run

pytestmark = pytest.mark.slow

DATASETS = ("kaggle", "petimages", "s3_csv", "stanford_dogs", "folder", "artworks")
MODELS = ("base_cnn", "breeds", "resnet50", "vgg19", "xception")
STAGES = {
    "compose", "featuriser@mosaic", "index@mosaic", "bento",
    *(f"{stage}@{name}" for stage in ("fetch", "preprocess") for name in DATASETS),
    *(f"{stage}@{name}" for stage in ("train", "evaluate", "package") for name in MODELS),
}  # fmt: skip
FIRST = {"compose", "fetch@kaggle", "preprocess@kaggle", "train@base_cnn", "evaluate@base_cnn", "package@base_cnn"}
LARGE = 2**20
WEIGHTS = "artifacts/models/base_cnn/weights.safetensors"


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which `dvc repro` has made base_cnn alone, with the smoke profile."""
    return once(tmp_path_factory, "first", begin)


@pytest.fixture(scope="session")
def built(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which `dvc repro` has gone on from there and made everything."""
    return once(tmp_path_factory, "built", partial(go_on, first))


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that side-by-side sessions share; the first to ask makes it, the others wait."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    shared = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent
    folder, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def begin(folder: Path) -> None:
    """Make one model in a fresh copy of the project."""
    copy_project(folder)
    config = folder / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("- profile: demo", "- profile: smoke"))
    python("-m", "stages.compose", cwd=folder)
    run("git", "init", "-q", cwd=folder)
    commit(folder, "start")
    assert ran(run("dvc", "repro", "evaluate@base_cnn", "package@base_cnn", cwd=folder)) == FIRST


def go_on(first: Path, folder: Path) -> None:
    """Make everything else in a copy of it."""
    fork(first, folder)
    assert ran(run("dvc", "repro", cwd=folder)) == STAGES - FIRST


def commit(folder: Path, message: str) -> None:
    run("git", "add", "-A", cwd=folder)
    who = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    run("git", *who, "commit", "-qm", message, cwd=folder)


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


def fork(project: Path, target: Path) -> Path:
    """Copy a project with all that was made in it."""
    return shutil.copytree(project, target, symlinks=True, copy_function=linked)


def linked(source: str, target: str) -> None:
    """Copy a file; large outputs, which nothing changes in place, become second names of the same bytes."""
    large = os.path.getsize(source) > LARGE and not source.endswith(".db")
    (os.link if large else shutil.copy2)(source, target)


def locked(folder: Path) -> dict[str, str]:
    """Return output path → hash of everything DVC tracks."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def ran(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def cpu_seconds() -> float:
    """Return the CPU time of the processes that have ended here, whatever else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_afterwards_there_is_nothing_to_do(built: Path) -> None:
    start = cpu_seconds()
    done = run("dvc", "repro", cwd=built)
    assert ran(done) == set()
    assert cpu_seconds() - start < 5, "2.5 s on an idle machine"
    changed = run("git", "status", "--porcelain", cwd=built).stdout.split("\n")
    assert {line[3:] for line in changed if line} <= {"dvc.lock"}


def test_every_documented_output_is_there(built: Path) -> None:
    for path in (
        "data/prepared/kaggle/samples.png",
        "data/prepared/kaggle/manifest.parquet",
        "artifacts/models/vgg19/curves.png",
        "artifacts/models/vgg19/history.csv",
        "artifacts/reports/base_cnn/card.md",
        "artifacts/reports/base_cnn/pictures/mistakes.png",
        "artifacts/packages/base_cnn/model.onnx",
        "artifacts/packages/vgg19/vgg19.mar",
        "artifacts/packages/resnet50/resnet50.mar",
        "data/raw/s3_csv/s3_images.csv",
        "data/raw/stanford_dogs/lists.tar",
        "data/prepared/stanford_dogs/breed_to_class_id.json",
        "artifacts/packages/base_cnn/triton/onnx/base_cnn/config.pbtxt",
        "artifacts/packages/xception/model.keras",
        "artifacts/packages/xception/triton/onnx/xception/1/model.onnx",
        "artifacts/packages/xception/triton/tensorflow/xception/1/model.savedmodel/saved_model.pb",
        "artifacts/packages/xception/triton/Dockerfile",
        "artifacts/bentos/bestiary/bento.yaml",
        "artifacts/bentos/vgg19/bento.yaml",
        "data/prepared/stanford_dogs/breed_to_class_id.json",
        "data/raw/stanford_dogs/lists.tar",
        "artifacts/reports/breeds/classes.csv",
        "artifacts/reports/breeds/confusions.csv",
        "artifacts/packages/breeds/examples/3.jpg",
        "artifacts/bentos/breeds/src/artifacts/packages/breeds/examples/3.jpg",
        "artifacts/bentos/breeds/src/bento/pages/page.css",
        "data/raw/artworks/artworks.tsv",
        "data/raw/artworks/failed.csv",
        "data/prepared/artworks/metadata.parquet",
        "artifacts/featurisers/mosaic/parity.json",
        "artifacts/indexes/mosaic/vectors.npy",
        "artifacts/indexes/mosaic/matches.parquet",
        "artifacts/reports/mosaic/metrics.json",
        "artifacts/reports/mosaic/wall.png",
        "artifacts/bentos/mosaic/src/artifacts/indexes/mosaic/index.json",
        "artifacts/bentos/bestiary/src/artifacts/indexes/mosaic/featuriser/model.onnx",
    ):
        assert (built / path).stat().st_size > 0, path
    bento = built / "artifacts" / "bentos" / "bestiary"
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert "onnxruntime" in requirements
    assert not re.search("torch|tensorflow|keras|mlflow|dvc", requirements)


def test_no_output_tells_when_or_where_it_was_made(built: Path) -> None:
    host, here = socket.gethostname(), str(built.parent)
    for out in ("data", "artifacts"):
        for file in (built / out).rglob("*"):
            content = file.read_bytes() if file.is_file() and file.suffix not in (".npy", ".zip") else b""
            assert here.encode() not in content, file
            assert len(host) < 6 or host.encode() not in content, file


def test_running_everything_again_gives_equal_hashes(branch: Path) -> None:
    """All but trainings, which are made again further down: killed and taken up, they end with equal files."""
    before = locked(branch)
    twins = ("@vgg19", "@resnet50", "@breeds", "@s3_csv", "@folder")  # what makes the others equal makes them
    again = sorted(stage for stage in STAGES if not stage.endswith(twins) and not stage.startswith("train@"))
    run("dvc", "repro", "--force", "--no-run-cache", "--single-item", *again, cwd=branch)
    assert locked(branch) == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("bento.queue=8", {"compose", "bento"}),
        (
            "models.base_cnn.train.lr=1e-4",
            {"compose", "train@base_cnn", "evaluate@base_cnn", "package@base_cnn", "bento"},
        ),
    ],
)
def test_one_changed_value_reruns_what_depends_on_it(change: str, expected: set[str], branch: Path) -> None:
    done = run("dvc", "exp", "run", "-S", change, cwd=branch)
    assert ran(done) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("datasets.kaggle.fetch.synthetic.images=90", {"compose", "fetch@kaggle"}),
        ("models.vgg19.evaluate.bins=5", {"compose", "evaluate@vgg19"}),
        ("profile=documented", STAGES - {stage for stage in STAGES if stage.startswith("evaluate@")} - {"bento"}),
    ],
)
def test_one_changed_value_touches_what_reads_it(change: str, expected: set[str], branch: Path) -> None:
    """What reads the value itself; what follows from its outputs, DVC finds as it goes."""
    python("-m", "stages.compose", change, cwd=branch)
    status = json.loads(run("dvc", "status", "--json", cwd=branch).stdout)
    assert set(status) == expected


def test_an_edit_in_conf_is_not_overlooked(first_branch: Path) -> None:
    model = first_branch / "conf" / "models" / "vgg19.yaml"
    model.write_text(model.read_text().replace("dropout: 0.5", "dropout: 0.4"))
    done = run("dvc", "repro", "train@vgg19", cwd=first_branch, check=False)
    assert done.returncode != 0
    assert "models.vgg19.train.network.dropout: conf/ 0.4, params.yaml 0.5" in done.stdout + done.stderr


def test_what_a_dvc_user_expects(branch: Path) -> None:
    commit(branch, "built")
    run("dvc", "exp", "run", "-n", "slower", "-S", "models.base_cnn.train.lr=1e-5", "evaluate@base_cnn", cwd=branch)
    assert "slower" in run("dvc", "exp", "show", "--csv", cwd=branch).stdout
    assert "base_cnn" in run("dvc", "metrics", "diff", "--all", cwd=branch).stdout
    assert "train@base_cnn" in run("dvc", "dag", cwd=branch).stdout
    run("dvc", "plots", "show", "-o", "plots", cwd=branch)
    assert "confusion" in (branch / "plots" / "index.html").read_text()


def test_queued_experiments_run_in_a_copy(first_branch: Path) -> None:
    commit(first_branch, "built")
    grid = "models.base_cnn.train.lr=1e-4,1e-3"
    run("dvc", "exp", "run", "--queue", "-S", grid, "train@base_cnn", cwd=first_branch)
    before = sha256_file(first_branch / WEIGHTS)
    run("dvc", "exp", "run", "--run-all", cwd=first_branch)
    assert sha256_file(first_branch / WEIGHTS) == before
    shown = run("dvc", "exp", "show", "--csv", "--only-changed", cwd=first_branch).stdout
    assert shown.count("base_cnn") >= 1
    assert "Failed" not in shown


def runs(folder: Path, model: str = "base_cnn") -> list[dict[str, Any]]:
    """Return every MLflow run of a model in a project."""
    code = (
        f"import json, mlflow; c = mlflow.MlflowClient(); e = c.get_experiment_by_name('{model}').experiment_id;"
        "print(json.dumps([dict(id=r.info.run_id, status=r.info.status, params=r.data.params, metrics=r.data.metrics,"
        "tags=r.data.tags, epochs=len(c.get_metric_history(r.info.run_id, 'val_loss')),"
        "artifacts=[a.path for a in c.list_artifacts(r.info.run_id) + c.list_artifacts(r.info.run_id, 'test/pictures')"
        "+ c.list_artifacts(r.info.run_id, 'test')]) for r in c.search_runs([e])]))"
    )
    done = python("-c", code, cwd=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_one_mlflow_run_tells_a_models_whole_story(first: Path) -> None:
    (found,) = runs(first)
    assert found["status"] == "FINISHED"
    assert found["epochs"] == 2
    assert found["params"]["models.base_cnn.train.lr"] == "0.001"
    assert found["params"]["models.base_cnn.train.network.dropout"] == "0.2"
    assert {"best_val_accuracy", "test_accuracy", "train_seconds"} <= set(found["metrics"])
    assert {"config", "data", "weights", "dvc_stage", "mlflow.source.git.commit"} <= set(found["tags"])
    assert {"curves.png", "test/card.md", "test/confusion.png"} <= set(found["artifacts"])


def test_the_champion_predicts_as_a_pyfunc(first: Path) -> None:
    code = (
        "import json, mlflow, numpy as np; m = mlflow.pyfunc.load_model('models:/base_cnn@champion');"
        "example = np.zeros((2, 48, 48, 3), np.uint8); out = m.predict(example);"
        "print(json.dumps([m.metadata.signature.inputs.to_dict()[0]['tensor-spec']['dtype'],"
        "np.asarray(out['probabilities'] if isinstance(out, dict) else out).tolist()]))"
    )
    done = python("-c", code, cwd=first, MLFLOW_TRACKING_URI=f"sqlite:///{first}/mlflow.db")
    kind, rows = json.loads(done.stdout.splitlines()[-1])
    assert kind == "uint8"
    assert [sum(row) for row in rows] == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_a_sweep_leaves_dvc_alone_and_ends_with_a_table(launcher: list[str], first_branch: Path) -> None:
    before = locked(first_branch), sha256_file(first_branch / WEIGHTS)
    sweep = ["model=base_cnn", "models.base_cnn.train.lr=1e-3,1e-5", "models.base_cnn.train.epochs=1"]
    done = python("-m", "stages.train", *sweep, *launcher, "-m", cwd=first_branch)
    assert (locked(first_branch), sha256_file(first_branch / WEIGHTS)) == before
    assert "best by min.val_loss first" in done.stdout
    losses = [float(value) for value in re.findall(r"^│ [01] +│ ([\d.]+)", done.stdout, re.MULTILINE)]
    assert len(losses) == 2
    assert losses == sorted(losses)
    assert len(list((first_branch / "runs").rglob("weights.safetensors"))) == 2
    found = runs(first_branch)
    (parent,) = (item for item in found if "sweep" in item["tags"])
    assert sum(item["tags"].get("mlflow.parentRunId") == parent["id"] for item in found) == 2


def test_optuna_searches(first_branch: Path) -> None:
    words = ["hydra/sweeper=optuna", "+sweep=base_cnn", "hydra.sweeper.n_trials=2"]
    done = python("-m", "stages.train", "-m", *words, "models.base_cnn.train.epochs=1", cwd=first_branch)
    assert "best by min.val_loss first" in done.stdout
    assert len(list((first_branch / "runs").rglob("result.json"))) == 2


def test_a_typo_in_a_sweep_leaves_nothing_behind(first_branch: Path) -> None:
    before = len(runs(first_branch))
    words = ["model=base_cnn", "models.base_cnn.train.lrr=1e-3,1e-5", "-m"]
    done = python("-m", "stages.train", *words, cwd=first_branch, check=False)
    assert done.returncode == 2
    assert "did you mean lr?" in done.stderr
    assert len(runs(first_branch)) == before
    assert not (first_branch / "runs").exists()


def test_the_search_of_resnet50_from_hydras_side(branch: Path) -> None:
    words = ["hydra/sweeper=optuna", "+sweep=resnet50", "hydra.sweeper.n_trials=2"]
    done = python("-m", "stages.train", "-m", *words, cwd=branch)
    assert "best by max.val_accuracy first" in done.stdout
    assert len(list((branch / "runs").rglob("result.json"))) == 2
    (sweep,) = (branch / "runs").glob("*/*-train-sweep")
    promoted = python("-m", "stages.promote", str(sweep.relative_to(branch)), cwd=branch)
    assert "models.resnet50.search.strategy: random → none" in promoted.stdout
    status = json.loads(run("dvc", "status", "--json", "train@resnet50", cwd=branch).stdout)
    assert set(status) == {"train@resnet50"}


def test_a_search_is_one_run_whose_winner_knows_its_test_metrics(built: Path) -> None:
    found = runs(built, "resnet50")
    (parent,) = (item for item in found if item["tags"].get("search") == "random")
    nested = [item for item in found if item["tags"].get("mlflow.parentRunId") == parent["id"]]
    assert len(found) == 3
    assert len(nested) == 2
    (best,) = (item for item in nested if "test_accuracy" in item["metrics"])
    assert best["metrics"]["best_val_accuracy"] == max(item["metrics"]["best_val_accuracy"] for item in nested)


def test_results_are_published(branch: Path) -> None:
    for _ in range(2):
        done = python("-m", "stages.publish", "model=resnet50", cwd=branch)
    assert "published already" in done.stdout
    (folder,) = (branch / "published").iterdir()
    assert (
        (folder / "results.csv").read_text().splitlines()[1].endswith(",pytorch,cv,dogs_vs_cats,model_state_dict.pth")
    )


def test_what_was_made_is_shared_by_a_remote(bucket: str, branch: Path, tmp_path: Path) -> None:
    """`dvc push` to a bucket; a fresh clone pulls it and has nothing to do."""
    commit(branch, "built")
    run("dvc", "remote", "add", "--default", "storage", bucket_address(bucket), cwd=branch)
    if bucket.startswith("gs"):
        run("dvc", "remote", "modify", "storage", "endpointurl", os.environ["STORAGE_EMULATOR_HOST"], cwd=branch)
    run("dvc", "push", cwd=branch)
    commit(branch, "remote")
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(branch), str(clone), cwd=tmp_path)
    run("dvc", "pull", cwd=clone)
    assert ran(run("dvc", "repro", cwd=clone)) == set()
    assert sha256_file(clone / WEIGHTS) == sha256_file(branch / WEIGHTS)


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_from_bucket_to_bucket_and_no_secret_stays(bucket: str, branch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published system: a table of S3 objects in, results in S3 out; the keys are found nowhere afterwards."""
    canaries = "AKIA" + "CANARY0000000000", "canary/" + "secret0key"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", canaries[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canaries[1])
    home = bucket_address(bucket)
    upload_table(branch, home)
    to = f"models.resnet50.publish.to={home}/results"
    values = (f"datasets.s3_csv.fetch.url={home}/images.csv", to, "models.resnet50.search.strategy=none")
    words = [word for value in values for word in ("-S", value)]
    said = [run("dvc", "exp", "run", *words, "package@resnet50", "evaluate@resnet50", cwd=branch)]
    said.append(run("dvc", "repro", "--single-item", "bento", cwd=branch))
    said.append(python("-m", "stages.publish", "model=resnet50", to, cwd=branch))
    files = S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    assert {"results.csv", "model_state_dict.pth", "prep_model.py", "manifest.json", "model.onnx"} <= {
        Path(path).name for path in files.find(f"{home}/results")
    }
    assert not any(canary in done.stdout + done.stderr for done in said for canary in canaries)
    for file in different(branch):
        content = contents(file)
        assert not any(canary.encode() in content for canary in canaries), file


def different(folder: Path) -> list[Path]:
    """Return every file below a folder but git's, one of those that are names of the same bytes."""
    files = (file for file in folder.rglob("*") if file.is_file() and ".git" not in file.relative_to(folder).parts)
    return list({(file.stat().st_dev, file.stat().st_ino): file for file in files}.values())


def contents(file: Path) -> bytes:
    """Return a file's bytes; of an archive what is packed in it."""
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def upload_table(branch: Path, home: str) -> None:
    """Put the drawn pictures into a bucket, and a table that names them there."""
    files = S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    name, _, folder = home.removeprefix("s3://").partition("/")
    with (branch / "data/raw/s3_csv/s3_images.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = ["bucket,s3_image,category,label"]
    for row in rows:
        key = f"{folder}/{row['category']}/{Path(row['s3_image']).name}"
        files.pipe_file(f"{name}/{key}", (branch / row["local_image"]).read_bytes())
        lines.append(f"{name},{key},{row['category']},{row['label']}")
    files.pipe_file(f"{name}/{folder}/images.csv", "\n".join(lines).encode())
    shutil.rmtree(branch / "data" / "cache")


def test_a_model_of_ones_own_is_one_yaml_and_one_file(branch: Path) -> None:
    """SqueezeNet, frozen but for its head, from a folder beside the project."""
    own = ROOT / "tests" / "own"
    words = ["--config-dir", str(own / "conf"), "+models@models.squeezenet=squeezenet", "plugins=[squeezenet]"]
    words += [
        "model=squeezenet",
        "models.squeezenet.train.epochs=2",
        f"models.squeezenet.train.code={own}/squeezenet.py",
    ]
    done = python("-m", "stages.train", *words, cwd=branch, PYTHONPATH=str(own))
    assert "features of train" in done.stdout
    (folder,) = (branch / "runs").glob("*/*-train")
    for stage in ("evaluate", "package", "publish"):
        python("-m", f"stages.{stage}", *words, f"from={folder}", cwd=branch, PYTHONPATH=str(own))
    assert (folder / "artifacts" / "packages" / "squeezenet" / "squeezenet.mar").exists()
    assert list((branch / "published").glob("squeezenet-*/manifest.json"))


def bucket_address(bucket: str) -> str:
    """Return a bucket's folder without what a URL would have to quote."""
    return bucket.partition("[")[0]


def test_later_stages_go_on_from_a_run(first_branch: Path) -> None:
    python("-m", "stages.train", "model=base_cnn", "models.base_cnn.train.epochs=1", cwd=first_branch)
    (folder,) = (first_branch / "runs").glob("*/*-train")
    for stage in ("evaluate", "package"):
        python("-m", f"stages.{stage}", "model=base_cnn", f"from={folder.relative_to(first_branch)}", cwd=first_branch)
    assert (folder / "artifacts" / "packages" / "base_cnn" / "model.onnx").exists()
    image = first_branch / "image.jpg"
    image.write_bytes(encoded(photo(), "JPEG"))
    done = python("-m", "stages.predict", "model=base_cnn", f"from={folder}", str(image), "--json", cwd=first_branch)
    assert json.loads(done.stdout)[0]["label"] in ("cat", "dog")


def test_a_training_killed_by_sigkill_ends_with_the_same_weights(first_branch: Path) -> None:
    kill_and_go_on("base_cnn", first_branch)


def test_a_keras_training_killed_by_sigkill_does_so_too(branch: Path) -> None:
    kill_and_go_on("xception", branch)


def hashes(folder: Path) -> dict[str, str]:
    """Return file name → SHA-256 of the files in a folder."""
    return {file.name: sha256_file(file) for file in folder.iterdir()}


def kill_and_go_on(model: str, branch: Path) -> None:
    """Kill a training once it has left a checkpoint, and start it again: every file is as the unbroken one left it."""
    trained = branch / "artifacts" / "models" / model
    expected = hashes(trained)
    command = [sys.executable, "-m", "stages.train", "--config-name", "repro", f"model={model}"]
    shutil.rmtree(trained)
    killed = subprocess.Popen(command, cwd=branch, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    while not list((branch / ".checkpoints").glob("*/last.*[!l]")) and killed.poll() is None:
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not trained.exists()
    run(*command, cwd=branch)
    assert hashes(trained) == expected
    assert not list((branch / ".checkpoints").iterdir())
    assert not list((branch / "artifacts" / "models").glob(".*"))
    found = runs(branch, model)
    assert sum(item["status"] == "FINISHED" for item in found) == len(found), "one run, taken up again"


def test_training_goes_on_when_mlflow_is_down(first_branch: Path) -> None:
    words = ["model=base_cnn", "models.base_cnn.train.epochs=1"]
    done = python("-m", "stages.train", *words, cwd=first_branch, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "does not record" in done.stdout
    assert "not recorded in MLflow: the run itself" in done.stdout
    assert list((first_branch / "runs").rglob("weights.safetensors"))


def test_the_table_lists_every_model(built: Path) -> None:
    found = json.loads(python("-m", "stages.list", "--json", cwd=built).stdout)
    assert [row["dataset"] for row in found["datasets"]] == list(DATASETS)
    assert all(sum(row["splits"].values()) >= 60 and row["prepared"] for row in found["datasets"])
    assert [row["model"] for row in found["models"]] == list(MODELS)
    for row in found["models"]:
        assert row["serve"] == f"bentoml serve bento.service:{row['model']}"
        assert row["test_interval"][0] <= row["test_accuracy"] <= row["test_interval"][1]
        assert row["train_seconds"] > 0
        assert row["package_bytes"] > 1e6
    assert "Try next" in python("-m", "stages.list", cwd=built).stdout


@contextmanager
def served(target: str, cwd: Path) -> Iterator[str]:
    """Run `bentoml serve` and yield its address once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", target, "--port", str(port)]
    process = subprocess.Popen(command, cwd=cwd, env=environment(), start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/readyz")
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.25)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def curl(*words: str, cwd: Path) -> Any:
    return json.loads(run("curl", "-s", *words, cwd=cwd).stdout)


@pytest.mark.parametrize("target", ["bento.service:Bestiary", "bento.service:base_cnn", "artifacts/bentos/bestiary"])
def test_services_answer_with_curl(target: str, built: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.jpg"
    image.write_bytes(encoded(photo(300, 200), "JPEG"))
    expected = json.loads(
        python("-m", "stages.predict", "model=base_cnn", str(image), "--json", cwd=built).stdout
    )[0]["probabilities"]  # fmt: skip
    best = max(expected, key=expected.get)
    where = str(built / target) if "/" in target else target
    with served(where, built) as address:
        answer = curl("-X", "POST", f"{address}/predictions/base_cnn", "-T", str(image), cwd=tmp_path)
        assert answer == {best: pytest.approx(expected[best], abs=1e-6)}
        two = ("-F", f"images=@{image}", "-F", f"images=@{image}", "-F", "model=base_cnn")
        assert curl(f"{address}/classify", *two, cwd=tmp_path) == [pytest.approx(expected, abs=1e-6)] * 2
        assert "/classify" in curl(f"{address}/docs.json", cwd=tmp_path)["paths"]
        models = {item["modelName"] for item in curl(f"{address}/models", cwd=tmp_path)["models"]}
        assert models == ({"base_cnn"} if target.endswith("base_cnn") else set(MODELS))
        text = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{address}/livez", cwd=tmp_path).stdout
        assert text == "200"
        assert curl(f"{address}/nowhere", cwd=tmp_path)["code"] == 404
        page = run("curl", "-s", f"{address}/", cwd=tmp_path).stdout
        assert ("Choose a picture" if target.endswith("base_cnn") else 'href="/classify/breeds"') in page
        ranked = curl(f"{address}/classify/base_cnn", "-T", str(image), cwd=tmp_path)["labels"]
        assert {item["label"]: item["probability"] for item in ranked} == pytest.approx(expected, abs=1e-6)
        shown = run(
            "curl", "-s", "-H", "Accept: text/html", "-F", "example=0", f"{address}/classify/base_cnn", cwd=tmp_path
        ).stdout
        assert "as the model sees it" in shown
        for words, message in (
            (["-F", f"images=@{__file__}"], "not a picture"),
            (["-F", "images=http://127.0.0.1:9/secret"], "a URL is not fetched"),
            (["-F", f"images=@{image}"] * 65, "65 pictures in one request"),
        ):
            assert message in str(curl(f"{address}/classify", *words, cwd=tmp_path))


def test_mlflow_runs_the_project(branch: Path) -> None:
    """`mlflow run . -P training_data=… -P epochs=…`, as documented, on an archive of one's own."""
    shutil.move(next((branch / "data" / "raw" / "petimages").glob("*.zip")), branch / "mine.zip")
    shutil.copyfile(ROOT / "Makefile", branch / "Makefile")
    (branch / ".venv").symlink_to(Path(sys.executable).parents[1])
    os.utime(branch / "requirements.lock", (0, 0))
    values = ["-P", f"training_data={branch}/mine.zip", "-P", "epochs=1", "-P", "profile=smoke"]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{branch}/mlflow.db"}
    words = ["--env-manager", "local", "--experiment-name", "xception"]
    run("mlflow", "run", ".", *words, *values, cwd=branch, MAKEFLAGS="", **store)
    newest = runs(branch, "xception")[0]
    assert newest["status"] == "FINISHED"
    assert newest["params"]["epochs"] == "1"
    assert {"config", "data", "weights", "dvc_stage"} <= set(newest["tags"])
    assert newest["params"]["models.xception.train.epochs"] == "1"
    assert {"best_val_accuracy", "test_accuracy"} <= set(newest["metrics"])
    assert (branch / "runs" / f"mlflow-{newest['id']}" / "artifacts" / "packages" / "xception" / "model.onnx").exists()


def test_one_backend_trains_and_another_exports(built: Path, branch: Path) -> None:
    """The pipeline's model is TensorFlow's; here torch trains one."""
    values = ["models.xception.train.backend=torch", "models.xception.train.epochs=1"]
    python("-m", "stages.train", "model=xception", *values, cwd=branch)
    (folder,) = (branch / "runs").glob("*/*-train")
    python("-m", "stages.package", "model=xception", f"from={folder}", cwd=branch)
    for root in (built, folder):
        parity = json.loads((root / "artifacts" / "packages" / "xception" / "parity.json").read_text())
        assert set(parity) == {"onnx", "savedmodel"}
        assert all(found["max_abs_difference"] <= 1e-5 for found in parity.values())


def test_a_keras_user_opens_the_model_in_keras(built: Path) -> None:
    code = (
        "import keras, numpy as np; m = keras.models.load_model('artifacts/packages/xception/model.keras');"
        "print(m.count_params(), m.predict(np.zeros((1, 48, 48, 3)), verbose=0).shape)"
    )
    assert python("-c", code, cwd=built).stdout.strip() == "2782649 (1, 1)"


def test_triton_clients_talk_to_every_model(built: Path, tmp_path: Path) -> None:
    import numpy as np
    from tritonclient.http import InferenceServerClient, InferInput

    with served("bento.service:Bestiary", built) as address:
        client = InferenceServerClient(address.removeprefix("http://"))
        for model in MODELS:
            tensor = InferInput("pixels", [2, 48, 48, 3], "FP32")
            tensor.set_data_from_numpy(np.full((2, 48, 48, 3), 127.0, np.float32))
            found = client.infer(model, [tensor]).as_numpy("probabilities")
            assert found.shape == (2, client.get_model_metadata(model)["outputs"][0]["shape"][1])
            assert np.allclose(found.sum(1), 1, atol=1e-5)
            assert client.get_model_config(model)["max_batch_size"] == 32
        assert curl(f"{address}/v2/nowhere", cwd=tmp_path) == {"error": "Not Found"}


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


@pytest.mark.parametrize("target", ["bento.service:Bestiary", "artifacts/bentos/mosaic"])
def test_similar_artworks_are_found(target: str, built: Path, tmp_path: Path) -> None:
    """By id, by an uploaded picture, by the published client; each within the filters."""
    shutil.copyfile(next(iter((built / "data" / "cache" / "drawn").rglob("*.jpg"))), tmp_path / "work.jpg")
    with served(str(built / target) if "/" in target else target, built) as address:
        (known, _), *others = curl(f"{address}/similar?id=100001&n=5", cwd=tmp_path)["results"]
        assert len(others) == 4
        assert known["id"] != "100001"
        asked = f"{address}/similar?n=3&culture={known['Culture']}&not.classification={known['Classification']}"
        for metadata, score in curl(asked, "-T", "work.jpg", cwd=tmp_path)["results"]:
            assert metadata["Culture"] == known["Culture"]
            assert metadata["Classification"] != known["Classification"]
            assert 0 < score <= 1 + 1e-6
        words = ("similar", "work.jpg", "--n", "2", "--culture", known["Culture"], "--server", address, "--json")
        found = json.loads(run(sys.executable, "-m", "bento.client", *words, cwd=tmp_path, PYTHONPATH=str(ROOT)).stdout)
        assert len(found["results"]) == 2
        nothing = curl(f"{address}/similar?culture=atlantean&id=100001", cwd=tmp_path)
        assert "Culture: unknown label 'atlantean'" in nothing["error"]
        refused = curl(f"{address}/similar?url={address}/similar/mosaic/thumb?row=0", cwd=tmp_path)
        assert refused["error"].startswith("url:")


def test_matches_are_what_a_search_finds(built: Path) -> None:
    import pandas as pd

    from stages.index.collection import Collection
    from stages.index.conditional.where import among

    mosaic = Collection(built / "artifacts" / "indexes" / "mosaic")
    matches = pd.read_parquet(built / "artifacts" / "indexes" / "mosaic" / "matches.parquet")
    assert set(matches["column"]) == {"Culture", "Classification"}
    for (row, column, label), found in matches.groupby(["id", "column", "label"], observed=True):
        best = mosaic.index.query(mosaic.index.vector(row), 11, among(column, [label])).ids[0]
        assert found["match"].tolist() == [other for other in best.tolist() if other != row][:10]


def test_any_dataset_is_searched_by_any_trained_model(built: Path) -> None:
    """A classifier's pictures, by the features of base_cnn, roughly and by a person's command."""
    values = [
        "indexes.mosaic.dataset=kaggle", "indexes.mosaic.blocks=[label]", "indexes.mosaic.id_column=path",
        "indexes.mosaic.show=[path,label]", "indexes.mosaic.mode=approximate",
        "indexes.mosaic.features.network=base_cnn",
        "indexes.mosaic.features.weights=trained",
        "indexes.mosaic.features.code=artifacts/models/base_cnn/weights.safetensors",
    ]  # fmt: skip
    python("-m", "stages.package.featuriser", "index=mosaic", *values, "hydra.run.dir=runs/pets", cwd=built)
    shown = python("-m", "stages.index", "index=mosaic", *values, "from=runs/pets", cwd=built).stdout
    assert "100 features" in shown
    report = json.loads((built / "runs" / "pets" / "artifacts" / "reports" / "mosaic" / "metrics.json").read_text())
    assert report["approximate"]["recall"] > 0.9
    assert set(report["label"]) == {"precision_at_10", "chance", "queries"}
    assert (built / "runs" / "pets" / "artifacts" / "indexes" / "mosaic" / "faiss.index").exists()


@pytest.mark.parametrize("source", ["ours", "MLServer's"])
def test_no_request_of_the_published_protocol_breaks_the_service(source: str, built: Path, tmp_path: Path) -> None:
    """Schemathesis sends what the OpenAPI document allows, and what it does not; nothing answers 5xx."""
    with served("bento.service:Bestiary", built) as address:
        document = f"{address}/openapi/v2.json" if source == "ours" else str(published(tmp_path))
        words = ["--url", address, "--checks", "not_a_server_error", "--max-examples", "40", "--seed", "1"]
        done = run("schemathesis", "run", document, *words, "--no-color", cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"(\d{3,}) generated, \1 passed", done.stdout), done.stdout[-3000:]


def published(folder: Path) -> Path:
    """Return the protocol's description as MLServer publishes it, from its wheel."""
    words = ["download", "--quiet", "--no-deps", "--disable-pip-version-check", "mlserver==1.7.1", "-d", str(folder)]
    got = python("-m", "pip", *words, cwd=folder, check=False)
    if got.returncode:
        pytest.skip("needs a network: MLServer's wheel could not be had")
    with zipfile.ZipFile(next(folder.glob("mlserver-*.whl"))) as wheel:
        content = json.loads(wheel.read("mlserver/rest/openapi/dataplane.json"))
    content["components"]["schemas"]["TensorData"] = {
        "type": "array",
        "items": {},
    }  # theirs says "bytes", which is no type
    names = {"model_name": ["base_cnn", "xception_jpeg"], "model_version": ["1"]}
    for path in content["paths"].values():
        for parameter in path.get("parameters", []):
            parameter["schema"]["enum"] = names[parameter["name"]]
    (folder / "dataplane.json").write_text(json.dumps(content))
    return folder / "dataplane.json"
