import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, encoded, photo, python


@pytest.fixture
def run_folder(package: Path, prepared: Path, tmp_path: Path) -> Path:
    """Return a run's folder with a package and its prepared dataset."""
    folder = tmp_path / "run"
    for target, source in (("artifacts/packages", package), ("data/prepared/kaggle", prepared)):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).symlink_to(source)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(["a.jpg", "b.png", "deep/c=d.webp"]):
        (folder / name).write_bytes(encoded(photo(90, 70, number), "JPEG" if number == 0 else "PNG"))
    (folder / "broken.jpg").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not a picture's name")
    return folder


def predict(*words: str, check: bool = False) -> tuple[int, str]:
    done = python("-m", "stages.predict", *words, check=check)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + (done.stderr if done.returncode == 2 else "")


def test_a_folder_is_walked_and_a_broken_file_reported(run_folder: Path, pictures: Path) -> None:
    status, out = predict("model=base_cnn", f"from={run_folder}", str(pictures), "--json")
    rows = json.loads(out)
    assert status == 1
    assert [Path(row["path"]).name for row in rows] == ["a.jpg", "b.png", "broken.jpg", "c=d.webp"]
    assert "not one of JPEG" in rows[2]["error"]
    for row in (rows[0], rows[1], rows[3]):
        assert row["probability"] == max(row["probabilities"].values()) >= 0.5
        assert set(row["probabilities"]) == {"cat", "dog"}


def test_csv_and_table(run_folder: Path, pictures: Path) -> None:
    files = [str(pictures / "a.jpg"), str(pictures / "deep" / "c=d.webp")]
    status, out = predict("model=base_cnn", f"from={run_folder}", *files, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, len(rows)) == (0, 2)
    assert rows[0]["label"] in ("cat", "dog")
    status, out = predict("model=base_cnn", f"from={run_folder}", *files)
    assert status == 0
    assert "probability" in out
    assert "%" in out


def test_a_file_named_twice_is_answered_twice(run_folder: Path, pictures: Path) -> None:
    file = str(pictures / "a.jpg")
    status, out = predict("model=base_cnn", "--json", f"from={run_folder}", file, file)
    assert (status, len(json.loads(out))) == (0, 2)


def test_the_unlabelled_split_is_a_batch(run_folder: Path) -> None:
    status, out = predict("model=base_cnn", f"from={run_folder}", "split=unlabelled", "--json")
    assert status == 0
    assert {row["path"] for row in json.loads(out)} == {f"test1/{n}.jpg" for n in range(1, 5)}


def test_show_writes_pictures_with_labels(run_folder: Path, pictures: Path, project: Path) -> None:
    words = ["-m", "stages.predict", "model=base_cnn", f"from={run_folder}", str(pictures / "a.jpg"), "show=true"]
    python(*words, cwd=project)
    (shown,) = (project / "runs").rglob("*.png")
    assert Image.open(shown).height > 70


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=base_cn", "x.jpg"], "did you mean base_cnn?"),
        (["modle=base_cnn", "x.jpg"], "unknown name 'modle'; did you mean model?"),
        (["model=base_cnn"], "no picture named"),
        (["x.jpg"], "model: not chosen; say model=… with one of base_cnn"),
        (["model=base_cnn", "show=yes", "x.jpg"], "show: unknown name 'yes'"),
    ],
)
def test_mistakes_are_answered(words: list[str], message: str, run_folder: Path) -> None:
    status, out = predict(*words, f"from={run_folder}")
    assert status == 2
    assert message in out


def test_it_starts_without_a_framework() -> None:
    code = (
        "import sys, stages.predict, stages.list; print([m for m in ('torch', 'mlflow', 'hydra') if m in sys.modules])"
    )
    assert python("-c", code, cwd=ROOT).stdout.strip() == "[]"
