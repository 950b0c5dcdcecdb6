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


def test_photos_are_not_counted_together(run_folder: Path, tmp_path: Path) -> None:
    """The services bound what one request may hold; here nobody waits for the next batch."""
    for number in range(3):
        Image.new("L", (6000, 4000), 99).save(tmp_path / f"{number}.jpg")
        Image.new("L", (6000, 4000), 99).save(tmp_path / f"{number}.png")
    status, out = predict("model=base_cnn", f"from={run_folder}", *map(str, sorted(tmp_path.glob("*.*"))), "--csv")
    assert (status, len(out.splitlines())) == (0, 7)


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


def test_brackets_in_a_name_are_shown(run_folder: Path, pictures: Path) -> None:
    for name, source in (("a [red].jpg", "a.jpg"), ("b [red].jpg", "broken.jpg")):
        (pictures / name).write_bytes((pictures / source).read_bytes())
    files = [str(file.relative_to(pictures)) for file in sorted(pictures.glob("*red*"))]
    done = python("-m", "stages.predict", "model=base_cnn", f"from={run_folder}", *files, cwd=pictures, check=False,
                  PYTHONPATH=str(ROOT))  # fmt: skip
    assert [line.count("[red].jpg") for line in done.stdout.splitlines() if "red" in line] == [1, 1]


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_folder_in_quotes_is_the_same(quote: str, run_folder: Path, pictures: Path) -> None:
    home = run_folder.rename(run_folder.with_name("run (best)"))
    status, out = predict("model=base_cnn", f"from={quote}{home}{quote}", str(pictures / "a.jpg"), "--csv")
    assert (status, len(out.splitlines())) == (0, 2)


def test_a_file_named_twice_is_answered_twice(run_folder: Path, pictures: Path) -> None:
    file = str(pictures / "a.jpg")
    status, out = predict("model=base_cnn", "--json", f"from={run_folder}", file, file)
    assert (status, len(json.loads(out))) == (0, 2)


def test_the_unlabelled_split_is_a_batch(run_folder: Path) -> None:
    status, out = predict("model=base_cnn", f"from={run_folder}", "split=unlabelled", "--json")
    assert status == 0
    assert {row["path"] for row in json.loads(out)} == {f"test1/{n}.jpg" for n in range(1, 5)}


def test_show_writes_pictures_with_labels(run_folder: Path, pictures: Path, project: Path) -> None:
    files = [str(pictures / name) for name in ("a.jpg", "broken.jpg")]
    words = ["model=base_cnn", f"from={run_folder}", *files, "show=true", "--json"]
    done = python("-m", "stages.predict", *words, cwd=project, check=False)
    assert [Path(row["path"]).name for row in json.loads(done.stdout)] == ["a.jpg", "broken.jpg"]
    (shown,) = (project / "runs").rglob("*.png")
    assert Image.open(shown).height > 70


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=base_cn", "x.jpg"], "did you mean base_cnn?"),
        (["modle=base_cnn", "x.jpg"], "unknown name 'modle'; did you mean model?"),
        (["model=base_cnn"], "no picture named"),
        (["x.jpg"], "model: not chosen; set model=… to one of base_cnn"),
        (["model=base_cnn", "show=yes", "x.jpg"], "show: unknown name 'yes'"),
        (["model=base_cnn", "x.jpg", "from=runs/no"], "from: no folder runs/no; give a run's folder"),
    ],
)
def test_mistakes_are_answered(words: list[str], message: str, run_folder: Path) -> None:
    status, out = predict(f"from={run_folder}", *words)
    assert status == 2
    assert message in out


def test_it_starts_without_a_framework_and_without_the_services() -> None:
    code = """
import sys, stages.predict, stages.list
print([name for name in ("torch", "mlflow", "hydra", "bentoml", "starlette", "bento") if name in sys.modules])
"""
    assert python("-c", code, cwd=ROOT).stdout.strip() == "[]"
