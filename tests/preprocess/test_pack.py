import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.core.archive import ArchiveReader, Entry
from stages.core.archive import write_zip as pack_zip
from stages.core.concurrency import LocalExecutor
from stages.core.errors import UserError
from stages.core.files import hash_file, write_json
from stages.core.image import pixels
from stages.layouts import kaggle
from stages.preprocess.pack import begins, pack, parts
from stages.preprocess.report import report, sample_sheet
from stages.preprocess.store import SCHEMA, Store, Writer
from tests.conftest import SMALL, encoded, photo, tree


def test_the_store_holds_every_good_picture_once(archive: Path, prepared: Path, tmp_path: Path) -> None:
    store = Store(prepared)
    counts = {name: len(store.split(name)) for name in ("train", "val", "test", "unlabelled")}
    assert sum(counts.values()) == SMALL.images + SMALL.unlabelled
    assert counts["unlabelled"] == SMALL.unlabelled
    dropped = {item["path"] for item in store.report["dropped"]}
    assert dropped == {f"train/{('cat', 'dog')[n % 2]}.{SMALL.images + n}.jpg" for n in range(SMALL.corrupt)}
    by_path = {entry.path: entry for entry in kaggle.entries(archive, tmp_path)}
    train = store.split("train")
    for row in (0, len(train) - 1):
        entry = by_path[train.paths[row]]
        assert np.array_equal(train.images[row], pixels(ArchiveReader().read(entry), store.size, "squash"))
        assert store.labels[train.labels[row]] == entry.label


def test_the_manifest_holds_the_original_size(tmp_path: Path) -> None:
    raw = tmp_path / "raw.zip"
    pack_zip(raw, [(f"cat.{n}.jpg", encoded(photo(1200, 900, n), "JPEG")) for n in range(3)])
    config = tree("datasets.kaggle.preprocess.size=16").datasets["kaggle"].preprocess
    row, *_ = pack(kaggle.entries(raw, tmp_path / "nested"), config, tmp_path).to_pylist()
    assert (row["width"], row["height"]) == (1200, 900)


def test_images_stay_on_disk(prepared: Path) -> None:
    images = Store(prepared).split("train").images
    assert isinstance(images._map(0), np.memmap)
    assert len(pickle.dumps(images)) < images[0].nbytes + 20 * len(images)


def digests(folder: Path) -> dict[str, str]:
    return {f"{file.parent.name}/{file.name}": hash_file(file) for file in folder.glob("*/*.*")}


def test_the_number_of_workers_changes_nothing(archive: Path, prepared: Path, tmp_path: Path) -> None:
    config = tree().datasets["kaggle"].preprocess
    pack(kaggle.entries(archive, tmp_path / "nested"), config, tmp_path, LocalExecutor(1))
    assert digests(tmp_path) == digests(prepared)


def test_the_size_of_a_shard_changes_no_picture(archive: Path, prepared: Path, tmp_path: Path) -> None:
    config = tree("datasets.kaggle.preprocess.shard_size=16").datasets["kaggle"].preprocess
    manifest = pack(kaggle.entries(archive, tmp_path / "nested"), config, tmp_path)
    assert len(digests(tmp_path)) > 2 * len(manifest) // 16
    write_json(tmp_path / "report.json", report("kaggle", "synthetic", manifest, config))
    one, many = Store(prepared), Store(tmp_path)
    assert one.fingerprint == many.fingerprint
    for name in ("train", "val", "test", "unlabelled"):
        assert np.array_equal(one.split(name).images[:], many.split(name).images[:])
        assert np.array_equal(one.split(name).labels, many.split(name).labels)
    assert np.array_equal(one.everything().images[:], many.everything().images[:])


def shards_of(names: list[str], most: int) -> list[list[str]]:
    entries = [Entry(Path("raw.zip"), number, name, "cat") for number, name in enumerate(names)]
    return [[entry.path for entry in part] for part in parts(entries, most)]


@given(st.integers(0, 400), st.integers(1, 64), st.integers(0, 400), st.integers(1, 40))
def test_whoever_adds_pictures_changes_the_shards_they_fall_into(count: int, most: int, where: int, more: int) -> None:
    names = [f"train/{number}.jpg" for number in range(count)]
    added = [f"more/{number}.jpg" for number in range(more)]
    where = min(where, count)
    whole = [*names[:where], *added, *names[where:]]
    before, after = shards_of(names, most), shards_of(whole, most)
    assert [name for part in after for name in part] == whole
    assert all(len(part) <= most for part in after)
    rewritten = [part for part in after if part not in before and not set(part) & set(added)]
    marked = [number for number in range(where, count) if begins(names[number], most)]
    untouched = names[marked[0] :] if marked else []
    assert not [part for part in rewritten if set(part) & set(untouched)]


def test_pictures_that_are_added_leave_the_other_shards_as_they_were(tmp_path: Path) -> None:
    files = [(f"train/{('cat', 'dog')[n % 2]}.{n}.jpg", encoded(photo(20, 20, n), "JPEG")) for n in range(200)]
    config = (
        tree("datasets.kaggle.preprocess.size=16", "datasets.kaggle.preprocess.shard_size=16")
        .datasets["kaggle"]
        .preprocess
    )
    found = []
    for name, count in (("before", 195), ("after", 200)):
        (tmp_path / name).mkdir()
        pack_zip(tmp_path / f"{name}.zip", files[:count])
        pack(kaggle.entries(tmp_path / f"{name}.zip", tmp_path / "nested"), config, tmp_path / name)
        found.append(digests(tmp_path / name))
    images = [{name: digest for name, digest in one.items() if name.startswith("images")} for one in found]
    changed = [name for name, digest in images[1].items() if images[0].get(name) != digest]
    assert len(images[0]) > 15
    assert len(changed) <= 2
    assert found[0] != found[1], "the manifest says which split a picture is in, and a few change"


def test_of_many_pictures_a_few_more_change_one_shard() -> None:
    names = [f"train/{number}.jpg" for number in range(100_000)]
    before = shards_of(names, 4096)
    after = shards_of([*names, *(f"train/z{number}.jpg" for number in range(100))], 4096)
    assert 100_000 / 4096 < len(before) < 4 * 100_000 / 4096
    assert len([part for part in after if part not in before]) == 1


def test_a_writer_makes_a_file_that_numpy_reads(tmp_path: Path) -> None:
    images = np.arange(7 * 4 * 4 * 3, dtype=np.uint8).reshape(7, 4, 4, 3)
    with Writer(tmp_path / "a.npy", 4) as writer:
        assert [writer.append(image) for image in images] == list(range(7))
    assert np.array_equal(np.load(tmp_path / "a.npy"), images)
    with Writer(tmp_path / "none.npy", 4):
        pass
    assert np.load(tmp_path / "none.npy").shape == (0, 4, 4, 3)


def test_an_unknown_split_lists_those_there_are(prepared: Path) -> None:
    with pytest.raises(UserError, match="no split 'tset'; there are train, val, test, unlabelled"):
        Store(prepared).split("tset")


def test_duplicates_and_contradictions_are_counted() -> None:
    row = {"split": "train", "remark": None, "dropped": None}
    rows = [
        row | {"path": "a", "label": "cat", "sha256": "1"},
        row | {"path": "b", "label": "dog", "sha256": "1"},
        row | {"path": "c", "label": "dog", "sha256": "2"},
        {"path": "d", "label": "dog", "sha256": None, "remark": "not JFIF", "dropped": "empty"},
    ]
    manifest = pa.Table.from_pylist(rows, schema=SCHEMA)
    found = report("pets", "synthetic", manifest, tree().datasets["kaggle"].preprocess)
    assert (found["duplicates"], found["contradictory_labels"]) == (1, 1)
    assert found["dropped"] == [{"path": "d", "why": "empty"}]
    assert found["remarks"] == {"not JFIF": ["d"]}
    assert found["splits"]["train"] == {"cat": 1, "dog": 2}


def test_the_fingerprint_follows_the_content(prepared: Path) -> None:
    config = tree().datasets["kaggle"].preprocess
    rows = pq.read_table(prepared / "manifest").to_pylist()
    manifest = pa.Table.from_pylist(rows, schema=SCHEMA)
    first = report("pets", "synthetic", manifest, config)["fingerprint"]
    rows[0]["sha256"] = "other"
    changed = pa.Table.from_pylist(rows, schema=SCHEMA)
    assert report("pets", "synthetic", changed, config)["fingerprint"] != first == Store(prepared).fingerprint


def test_the_sample_sheet_is_a_picture(prepared: Path, tmp_path: Path) -> None:
    sample_sheet(Store(prepared), tmp_path / "samples.png")
    assert (tmp_path / "samples.png").stat().st_size > 10_000


def test_what_leaks_into_a_published_split_is_dropped_and_named(tmp_path: Path) -> None:
    files = [(f"{n}.png", encoded(photo(20, 20, n))) for n in range(12)]
    pack_zip(tmp_path / "raw.zip", [*files, ("copy.png", files[11][1]), ("empty.png", b""), ("void.png", b"")])
    published = ["train"] * 8 + ["test"] * 4 + ["train", "train", "test"]
    entries = [
        Entry(tmp_path / "raw.zip", index, name, "cat", split=split)
        for (index, (name, split)) in enumerate(
            zip([*(name for name, _ in files), "copy.png", "empty.png", "void.png"], published, strict=True)
        )
    ]
    config = tree("datasets.stanford_dogs.preprocess.size=16").datasets["stanford_dogs"].preprocess
    found = report("dogs", "here", pack(entries, config, tmp_path), config)
    dropped = {item["path"]: item["why"] for item in found["dropped"]}
    reason = "identical to a picture of the test split"
    assert dropped == {"copy.png": reason, "empty.png": "empty", "void.png": "empty"}
    assert found["splits"] == {"train": {"cat": 7}, "val": {"cat": 1}, "test": {"cat": 4}, "unlabelled": {}}
    assert found["duplicates"] == 0


def test_unwanted_pictures_take_no_place_in_a_split(tmp_path: Path) -> None:
    pack_zip(tmp_path / "raw.zip", [(f"{n}.png", encoded(photo(20, 20, n))) for n in range(20)])
    entries = [
        Entry(tmp_path / "raw.zip", n, f"{n}.png", "cat", remark="no" if n % 2 else None, unwanted=bool(n % 2))
        for n in range(20)
    ]
    config = tree("datasets.kaggle.preprocess.size=16").datasets["kaggle"].preprocess
    found = report("pets", "here", pack(entries, config, tmp_path), config)
    assert [sum(found["splits"][name].values()) for name in ("train", "val", "test")] == [5, 2, 3]
    assert found["splits"]["unlabelled"] == {}


SIZES = {"portrait": (60, 200), "landscape": (500, 375), "tiny": (7, 5), "large": (1600, 1200), "thin": (300, 2)}


@pytest.mark.parametrize("resize", ["letterbox", "squash"])
def test_a_service_sees_the_pixels_that_training_saw(resize: str, tmp_path: Path) -> None:
    from bento.model import Model

    exif = Image.Exif()
    exif[0x0112] = 6
    files = {name: encoded(photo(*size), "JPEG") for name, size in SIZES.items()}
    files |= {"rotated": encoded(photo(400, 200), "JPEG", exif=exif), "clear": encoded(photo(90, 40).convert("LA"))}
    pack_zip(tmp_path / "raw.zip", [(f"train/cat.{n}.jpg", content) for n, content in enumerate(files.values())])
    config = tree("datasets.stanford_dogs.preprocess.size=64").datasets["stanford_dogs"].preprocess
    config.resize, config.split.test = resize, 0.1
    rows = pack(kaggle.entries(tmp_path / "raw.zip", tmp_path), config, tmp_path).to_pylist()
    stored = np.load(tmp_path / "images" / "000000.npy")
    service = Model.__new__(Model)
    service.metadata, service.max_pixels = {"size": config.size, "resize": resize}, 25_000_000
    for row, (name, content) in zip(rows, files.items(), strict=True):
        assert stored[row["row"]].tobytes() == service.decode(content).tobytes(), name
