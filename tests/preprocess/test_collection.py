"""Collections: pictures with metadata and without classes, from the published table to the store."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.core.archive import write_zip
from stages.core.context import StageContext
from stages.core.errors import UserError
from stages.core.files import read_json, write_json
from stages.core.image import pixels
from stages.core.workspace import PREPARED, RAW, Workspace
from stages.layouts import artworks
from stages.preprocess.__main__ import main
from stages.preprocess.metadata import write_metadata
from stages.preprocess.store import SCHEMA, Store
from stages.train.training import require_classes
from tests.conftest import encoded, photo, tree

HEAD = ("id", "Title", "Thumbnail_Url", "Culture")


def rows(count: int = 12) -> list[tuple[str, str, str, str]]:
    return [(str(90 - n), f"Title {n}", f"images/{n}.png", ("dutch", "french", "greek")[n % 3]) for n in range(count)]


def prepared(place: Path, *overrides: str, table: list[tuple[str, str, str, str]] | None = None) -> Store:
    """Collect and prepare twelve works, the third of them broken and the last two identical."""
    folder = place / RAW.format("artworks")
    folder.mkdir(parents=True)
    lines = "\n".join("\t".join(row) for row in [HEAD, *(table or rows())])
    files = [(f"images/{n}.png", encoded(photo(40, 30, seed=min(n, 10)))) for n in range(12)]
    files[2] = ("images/2.png", files[2][1][:60])
    write_zip(folder / "sample.zip", [("metadata.tsv", lines.encode()), *files])
    given = tree(*overrides)
    keys = {name: value for name, value in given.datasets["artworks"].fetch.layout.items() if name != "name"}
    artworks.collect(folder / "sample.zip", folder, list, True, str(folder / "sample.zip"), **keys)
    write_json(folder / "fetch.json", {"file": "images.zip", "url": "sample.zip"})
    main.task(StageContext("preprocess", given, "artworks", Workspace(place, place)))
    return Store(place / PREPARED.format("artworks"))


def test_a_collection_is_prepared_without_splits(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    assert store.labels == []
    assert {path.name for path in (store.folder / "images").iterdir()} == {"000000.npy"}
    assert store.report["splits"] == {"train": {}, "val": {}, "test": {}, "unlabelled": {"unlabelled": 11}}
    assert store.report["duplicates"] == 1, "two with the same bytes stay"
    (dropped,) = store.report["dropped"]
    assert dropped["path"] == "images/88.png"
    assert (store.folder / "samples.png").exists()


def test_everything_is_what_was_published(tmp_path: Path) -> None:
    everything = prepared(tmp_path).everything()
    kept = [row for n, row in enumerate(rows()) if n != 2]
    assert len(everything) == len(everything.images) == 11
    assert everything.metadata.column_names == list(HEAD)
    assert [tuple(row.values()) for row in everything.metadata.to_pylist()] == kept
    assert everything.sizes.tolist() == [[40, 30]] * 11
    expected = pixels(encoded(photo(40, 30, seed=5)), 48, "squash")
    assert np.array_equal(everything.images[[4]][0], expected)


def test_with_a_column_of_classes_it_can_be_trained_on(tmp_path: Path) -> None:
    cut = "datasets.artworks.preprocess.split={train: 0.5, val: 0.25, test: 0.25}"
    store = prepared(tmp_path, "datasets.artworks.fetch.layout.label=Culture", cut)
    assert store.labels == ["dutch", "french", "greek"]
    everything = store.everything()
    table = everything.metadata.to_pylist()
    assert len(table) == 11
    start = 0
    for name in ("train", "val", "test"):
        split = store.split(name)
        here = slice(start, start + len(split))
        assert np.array_equal(everything.images[here], split.images)
        assert [row["Culture"] for row in table[here]] == [store.labels[label] for label in split.labels]
        assert [f"images/{row['id']}.png" for row in table[here]] == split.paths
        start += len(split)
    require_classes(store, "artworks")


def test_the_fingerprint_follows_the_metadata(tmp_path: Path) -> None:
    one, again = prepared(tmp_path / "one"), prepared(tmp_path / "again")
    changed = [(*row[:1], "Other title" if n == 7 else row[1], *row[2:]) for n, row in enumerate(rows())]
    other = prepared(tmp_path / "other", table=changed)
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_no_classifier_is_trained_on_a_collection(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    mend = r"datasets\.art: a collection without classes.*datasets\.art\.fetch\.layout\.label=….*preprocess@art"
    with pytest.raises(UserError, match=mend):
        require_classes(store, "art")


def test_train_refuses_it_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.train import __main__ as train

    prepared(tmp_path)
    monkeypatch.setattr(train, "launched", None)
    job = StageContext("train", tree("models.base_cnn.dataset=artworks"), "base_cnn", Workspace(tmp_path, tmp_path))
    with pytest.raises(UserError, match=r"datasets\.artworks: a collection without classes"):
        train.main.task(job)


def test_a_collection_of_which_nothing_can_be_decoded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"artworks: not one of 1 pictures could be decoded$"):
        prepared(tmp_path, table=[rows()[2]])


def test_a_set_without_metadata_has_path_label_and_split(prepared: Path) -> None:
    store = Store(prepared)
    everything = store.everything()
    assert everything.metadata.column_names == ["path", "label", "split"]
    splits = ["train", "val", "test", "unlabelled"]
    assert everything.metadata["split"].to_pylist() == [name for name in splits for _ in range(len(store.split(name)))]
    assert everything.metadata["path"].to_pylist() == [path for name in splits for path in store.split(name).paths]
    assert len(everything) == len(everything.sizes) == everything.metadata.num_rows
    assert np.array_equal(everything.images[-1], store.split("unlabelled").images[-1])


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_metadata_are_in_the_order_of_the_store(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.preprocess import metadata

    monkeypatch.setattr(metadata, "BATCH", batch)
    splits = ["test", "train", "val", "train", "unlabelled", "test"]
    manifest = [
        {"path": str(n), "split": split, "row": splits[:n].count(split), "dropped": None}
        for n, split in enumerate(splits)
    ]
    manifest.insert(2, {"path": "gone", "dropped": "broken"})
    published = [(row["path"], {"number": row["path"]}) for row in manifest]
    table = pa.Table.from_pylist(manifest, schema=SCHEMA)
    digest = write_metadata(tmp_path / "a.parquet", iter(published), table)
    assert pq.read_table(tmp_path / "a.parquet")["number"].to_pylist() == ["1", "3", "2", "0", "5", "4"]
    monkeypatch.setattr(metadata, "BATCH", 100)
    assert write_metadata(tmp_path / "b.parquet", iter(published), table) == digest


def test_the_documented_profile_takes_the_published_values() -> None:
    given = validate(compose_tree(["profile=documented"])).datasets["artworks"]
    assert (given.preprocess.size, given.preprocess.resize) == (225, "squash")
    assert (given.fetch.layout["image"], given.fetch.layout["attempts"]) == ("Thumbnail_Url", 3)
    assert given.fetch.url.endswith("met_rijks_metadata.tsv")


def test_a_report_names_what_was_dropped(tmp_path: Path) -> None:
    lost = ("7", "lost", "images/none.png", "dutch")
    store = prepared(tmp_path, table=[*rows(), lost])
    assert store.report["dropped"][1] == {"path": "7", "why": "not in the archive"}
    assert store.report["remarks"] == {"not in the archive": ["7"]}
    assert read_json(store.folder / "report.json")["labels"] == []
