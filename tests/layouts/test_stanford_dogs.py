import io
import json
import os
import re
import shutil
import signal
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from stages.config.schema import Synthetic
from stages.core.archive import ABSENT, write_tar
from stages.core.errors import UserError
from stages.core.files import hash_file, read_json
from stages.fetch import origin
from stages.fetch.__main__ import limited
from stages.layouts import stanford_dogs
from stages.layouts.base import layout
from stages.layouts.stanford_dogs import UNLISTED, companions, entries, file_list, saved
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from tests.conftest import encoded, photo, python, replace, tree

SPEC = Synthetic(images=80, unlabelled=0, corrupt=4, classes=4, smallest=48, largest=64)
PATHS = [f"n02085620-Chihuahua/n02085620_{n}.jpg" for n in range(6)] + [
    f"n02086240-Shih-Tzu/n02086240_{n}.jpg" for n in range(6)
]
TRAIN, TEST = PATHS[0:4] + PATHS[6:10], PATHS[4:6] + PATHS[10:12]
DOGS = layout({"name": "stanford_dogs"}, [])
FETCH = tree().datasets["stanford_dogs"].fetch


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stanford_dogs.draw(tmp_path_factory.mktemp("raw"), SPEC, seed=3)


def images(folder: Path, paths: list[str] = PATHS) -> Path:
    """Write images.tar with small pictures of these names."""
    pictures = ((f"Images/{path}", encoded(photo(16, 12, number), "JPEG")) for number, path in enumerate(paths))
    write_tar(folder / "images.tar", pictures)
    return folder / "images.tar"


def lists(folder: Path, train: list[str] = TRAIN, test: list[str] = TEST) -> None:
    write_tar(folder / "lists.tar", [("train_list.mat", saved(train)), ("test_list.mat", saved(test))])


def test_the_label_is_the_whole_breed_and_the_split_is_as_published(tmp_path: Path) -> None:
    raw = images(tmp_path)
    lists(tmp_path)
    found = entries(raw, tmp_path / "scratch")
    assert {entry.path.removeprefix("Images/"): entry.split for entry in found} == {
        **dict.fromkeys(TRAIN, "train"), **dict.fromkeys(TEST, "test"),
    }  # fmt: skip
    assert {entry.label for entry in found} == {"Chihuahua", "Shih-Tzu"}
    assert not any(entry.unwanted or entry.remark for entry in found)


@pytest.mark.parametrize(
    ("name", "breed"),
    [("Images/n02100236-German_short-haired_pointer/n02100236_1.jpg", "German_short-haired_pointer"),
     ("n02089078-black-and-tan_coonhound/n02089078_1.JPG", "black-and-tan_coonhound"),
     ("../../Images/n02110958-pug/n02110958_1.jpg", "pug")],
)  # fmt: skip
def test_a_breed_keeps_its_hyphens_and_its_case(name: str, breed: str, tmp_path: Path) -> None:
    noise = [(f"__MACOSX/{name.rpartition('/')[0]}/._x.jpg", b""), ("Annotation/n02110958-pug/n02110958_1", b"")]
    write_tar(tmp_path / "images.tar", [(name, b""), *noise])
    (entry,) = entries(tmp_path / "images.tar", tmp_path, official_split=False)
    assert (entry.label, entry.path, entry.split) == (breed, name, None)


def test_what_is_in_no_list_and_what_is_only_in_a_list_is_counted_and_named(tmp_path: Path) -> None:
    raw = images(tmp_path, [*PATHS[1:], "n02110958-pug/extra.jpg"])
    lists(tmp_path)
    config = tree().datasets["stanford_dogs"].preprocess
    found = entries(raw, tmp_path / "scratch")
    assert [entry.index for entry in found if entry.path == PATHS[0]] == [ABSENT]
    result = report("dogs", "here", pack(found, config, tmp_path), config)
    missing = "in the train list, but not in the archive"
    assert {item["path"]: item["why"] for item in result["dropped"]} == {
        "Images/n02110958-pug/extra.jpg": UNLISTED, PATHS[0]: missing,
    }  # fmt: skip
    assert result["remarks"] == {UNLISTED: ["Images/n02110958-pug/extra.jpg"], missing: [PATHS[0]]}
    assert result["labels"] == ["Chihuahua", "Shih-Tzu"]
    assert sum(result["splits"]["test"].values()) == len(TEST)


def test_without_lists_it_says_where_to_put_them_and_how_to_do_without(tmp_path: Path) -> None:
    raw = images(tmp_path)
    with pytest.raises(UserError, match=r"no train_list\.mat and no test_list\.mat.*extra_files.*official_split=false"):
        entries(raw, tmp_path / "scratch")
    assert {entry.split for entry in entries(raw, tmp_path, official_split=False)} == {None}


def test_lists_of_other_files_are_told(tmp_path: Path) -> None:
    raw = images(tmp_path, [path.replace("_", "_x") for path in PATHS])
    lists(tmp_path)
    with pytest.raises(UserError, match=r"not one of its 12 pictures is in the lists.*official_split=false"):
        entries(raw, tmp_path / "scratch")


def test_a_picture_in_both_lists_is_a_contradiction(tmp_path: Path) -> None:
    raw = images(tmp_path)
    lists(tmp_path, TRAIN, [*TEST, TRAIN[0]])
    with pytest.raises(UserError, match=rf"test_list\.mat: {TRAIN[0]} is in the train list too"):
        entries(raw, tmp_path / "scratch")


@pytest.mark.parametrize("how", ["tars in a folder", "unpacked", "lists as files"])
def test_a_folder_may_hold_tars_or_what_was_in_them(
    how: str, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "project_root", lambda: tmp_path)
    home, folder = tmp_path / "StanfordDogs", tmp_path / "raw"
    folder.mkdir()
    if how == "tars in a folder":
        shutil.copytree(drawn.parent, home, ignore=shutil.ignore_patterns("nested"))
    else:
        for name in ("images.tar", "lists.tar"):
            with tarfile.open(drawn.parent / name) as opened:
                opened.extractall(home, filter="data")
    files = ["lists.tar"]
    url = str(home)
    if how == "lists as files":
        shutil.copyfile(drawn, home / "images.tar")
        url, files = str(home / "images.tar"), ["train_list.mat", "test_list.mat"]
    raw = origin.bring(replace(FETCH, url=url, extra_files=files), DOGS, folder)
    expected = Counter((e.label, e.split) for e in entries(drawn, tmp_path / "one"))
    assert Counter((e.label, e.split) for e in entries(raw, tmp_path / "two")) == expected


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", saved(TRAIN)[:200], bytes(300), saved(TRAIN)[:180] + bytes(40) + saved(TRAIN)[220:],
     b"x" * (stanford_dogs.LARGEST_LIST + 1)],
    ids=["empty", "html", "cut", "zeros", "damaged", "large"],
)  # fmt: skip
def test_a_malformed_list_is_named(content: bytes) -> None:
    with pytest.raises(UserError, match=r"train_list\.mat"):
        file_list("train_list.mat", content)


@pytest.mark.parametrize("value", [np.zeros((3, 1)), {"a": 1}, np.array([["a"], [3]], object)])
def test_a_list_of_something_else_is_named(value: object) -> None:
    file = io.BytesIO()
    savemat(file, {"file_list": value})
    with pytest.raises(UserError, match=r"test_list\.mat.*fetch lists\.tar again"):
        file_list("test_list.mat", file.getvalue())
    file = io.BytesIO()
    savemat(file, {"other": value})
    with pytest.raises(UserError, match=r"no MATLAB file with a file_list"):
        file_list("test_list.mat", file.getvalue())


def test_a_list_that_ends_the_process_that_reads_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """SciPy's reader is compiled and does not survive all bytes."""
    monkeypatch.setattr("scipy.io.loadmat", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(UserError, match=r"train_list\.mat: no MATLAB file .*BrokenProcessPool"):
        file_list("train_list.mat", saved(TRAIN))


@pytest.mark.parametrize("paths", [[], PATHS[:1], PATHS])
def test_a_written_list_is_as_the_published_ones_and_holds_no_date(paths: list[str]) -> None:
    content = saved(paths)
    assert file_list("train_list.mat", content) == paths
    assert not re.search(rb"20\d\d|Created", content[:124])
    found = loadmat(io.BytesIO(content))
    assert {name for name in found if not name.startswith("_")} == {"file_list", "annotation_list", "labels"}
    assert found["file_list"].shape == (len(paths), 1)
    assert found["labels"].ravel().tolist() == [1 if "Chihuahua" in path else 2 for path in paths]


def test_a_limit_keeps_every_class_in_both_splits_and_lists_nothing_else(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = set()
    for year in (2001, 2033):
        folder = tmp_path / str(year)
        shutil.copytree(drawn.parent, folder, ignore=shutil.ignore_patterns("nested"))
        monkeypatch.setattr("time.asctime", lambda year=year: f"Sat Nov 21 15:00:00 {year}")
        config = replace(FETCH, limit=24, seed=1)
        raw = limited(config, DOGS, folder / "images.tar", folder)
        hashes.add(hash_file(raw))
    assert len(hashes) == 1, "the same bytes whenever it is written"
    found = DOGS.entries(raw, folder / "nested")
    assert not any(entry.unwanted for entry in found)
    counts = Counter((entry.label, entry.split) for entry in found)
    assert counts.total() == 24
    assert len(counts) == 8
    assert all(counts[label, "train"] > counts[label, "test"] >= 2 for label, _ in counts)
    assert sorted(path.name for path in folder.iterdir()) == ["limit-24.zip", "lists.tar"]


def test_without_the_official_split_no_lists_are_written(drawn: Path, tmp_path: Path) -> None:
    assert companions(entries(drawn, tmp_path), official_split=False) == []


def test_a_drawn_set_is_laid_out_as_the_published_one(drawn: Path, tmp_path: Path) -> None:
    with tarfile.open(drawn) as opened:
        names = [info.name for info in opened if info.isfile()]
    with tarfile.open(drawn.parent / "lists.tar") as opened:
        assert opened.getnames() == ["file_list.mat", "train_list.mat", "test_list.mat"]
    assert len(names) == 84
    assert all(re.fullmatch(r"Images/n\d{8}-[\w-]+/\w+\.jpg", name) for name in names)
    counts = Counter((entry.label, entry.split) for entry in entries(drawn, tmp_path))
    assert set(counts.values()) == {8, 12 + 1}, "a broken one in each"
    again = stanford_dogs.draw(tmp_path, SPEC, seed=3)
    assert hash_file(again) == hash_file(drawn)
    assert hash_file(tmp_path / "lists.tar") == hash_file(drawn.parent / "lists.tar")


def test_preprocess_keeps_the_published_test_split_and_writes_the_classes(project: Path) -> None:
    words = ["dataset=stanford_dogs", "profile=smoke", "hydra.run.dir=runs/one"]
    python("-m", "stages.fetch", *words, cwd=project)
    raw, prepared = (project / "runs" / "one" / "data" / kind / "stanford_dogs" for kind in ("raw", "prepared"))
    assert list(read_json(raw / "fetch.json")["parts"]) == ["lists.tar"]
    python("-m", "stages.preprocess", *words[:2], "from=runs/one", cwd=project)
    found = read_json(prepared / "report.json")
    train, val, test = (sum(found["splits"][name].values()) for name in ("train", "val", "test"))
    assert (train + val, test) == (56, 40)
    assert 4 <= val <= 8
    assert len(found["dropped"]) == 4
    assert "caveat" not in found, "these are drawings"
    ids = read_json(prepared / "breed_to_class_id.json")
    assert ids == {label: number for number, label in enumerate(found["labels"])}
    assert read_json(prepared / "class_id_to_breed.json") == {str(n): label for label, n in ids.items()}
    refused = python(
        "-m", "stages.preprocess", *words[:2], "from=runs/one",
        "datasets.stanford_dogs.fetch.layout.official_split=false", cwd=project, check=False,
    )  # fmt: skip
    assert "datasets.stanford_dogs.preprocess.split.test: 0, and no test split is published" in refused.stderr
    record = json.loads((raw / "fetch.json").read_text())
    (raw / "fetch.json").write_text(json.dumps(record | {"url": "/dogs/images.tar"}))
    python("-m", "stages.preprocess", *words[:2], "from=runs/one", cwd=project)
    assert read_json(prepared / "report.json")["caveat"] == stanford_dogs.CAVEAT
