"""What a user of DVC does next: other values, experiments, queues."""

import json
from pathlib import Path

import pytest

from stages.core.files import hash_file
from tests.conftest import python, run
from tests.pipeline.projects import MODELS, STAGES, commit, ran

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("datasets.kaggle.fetch.synthetic.images=90", {"compose", "fetch@kaggle"}),
        ("bento.queue=8", {"compose", "bento"}),
        ("profile=documented", STAGES - {stage for stage in STAGES if stage.startswith("evaluate@")} - {"bento"}),
    ],
)
def test_one_changed_value_touches_what_reads_it(change: str, expected: set[str], branch: Path) -> None:
    """What reads the value itself; what follows from its outputs, DVC finds as it goes."""
    python("-m", "stages.compose", change, cwd=branch)
    status = json.loads(run("dvc", "status", "--json", cwd=branch).stdout)
    assert set(status) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["stages/evaluate/plots.py"], {f"evaluate@{name}" for name in MODELS}),
        (["stages/core/plots.py", "stages/core/tracking.py"], {"bento"}),
        (["stages/networks/mine.py", "stages/layouts/mine.py"], set()),
        (["stages/networks/vgg19.py"], {f"{stage}@vgg19" for stage in ("train", "evaluate", "package")}),
        (["stages/layouts/kaggle.py"], {"fetch@kaggle", "preprocess@kaggle"}),
        (
            ["stages/backends/keras/fit.py"],
            {"featuriser@mosaic", *(f"{stage}@xception" for stage in ("train", "evaluate", "package"))},
        ),
    ],
)
def test_an_edit_of_code_touches_what_it_shapes(files: list[str], expected: set[str], branch: Path) -> None:
    for file in files:
        with (branch / file).open("a") as code:
            code.write("\n# edited\n")
    assert set(json.loads(run("dvc", "status", "--json", cwd=branch).stdout)) == expected


def test_an_edit_in_conf_is_not_overlooked(first_branch: Path) -> None:
    model = first_branch / "conf" / "models" / "vgg19.yaml"
    model.write_text(model.read_text().replace("dropout: 0.5", "dropout: 0.4"))
    done = run("dvc", "repro", "train@vgg19", cwd=first_branch, check=False)
    assert done.returncode != 0
    assert "models.vgg19.train.network.dropout: conf/ 0.4, params.yaml 0.5" in done.stdout + done.stderr


def test_another_learning_rate_trains_and_what_follows_and_is_an_experiment(first_branch: Path) -> None:
    commit(first_branch, "built")
    words = ["-n", "slower", "-S", "models.base_cnn.train.lr=1e-5", "evaluate@base_cnn"]
    expected = {"compose", "train@base_cnn", "evaluate@base_cnn"}
    assert ran(run("dvc", "exp", "run", *words, cwd=first_branch)) == expected
    assert "slower" in run("dvc", "exp", "show", "--csv", cwd=first_branch).stdout
    assert "base_cnn" in run("dvc", "metrics", "diff", "--all", cwd=first_branch).stdout
    assert "train@base_cnn" in run("dvc", "dag", cwd=first_branch).stdout
    run("dvc", "plots", "show", "-o", "plots", cwd=first_branch)
    assert "confusion" in (first_branch / "plots" / "index.html").read_text()


def test_queued_experiments_run_in_a_copy(first_branch: Path) -> None:
    commit(first_branch, "built")
    change = "datasets.kaggle.preprocess.size=40"
    run("dvc", "exp", "run", "--queue", "-S", change, "preprocess@kaggle", cwd=first_branch)
    packed = first_branch / "data" / "prepared" / "kaggle" / "images" / "000000.npy"
    before = hash_file(packed)
    run("dvc", "exp", "run", "--run-all", cwd=first_branch)
    assert hash_file(packed) == before
    shown = run("dvc", "exp", "show", "--csv", cwd=first_branch).stdout
    assert len(shown.splitlines()) == 4, "the head, the working tree, the commit, the experiment"
    assert "Failed" not in shown
