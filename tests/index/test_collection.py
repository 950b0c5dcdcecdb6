import io
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.core.files import atomic_folder
from stages.core.image import decode
from stages.core.onnx_model import OnnxModel
from stages.index.collection import Collection, Records
from stages.index.conditional import among
from stages.index.quality import precision, quality
from stages.index.records import append, columns, lines, refuse_twice, restored
from stages.index.served import _load_pyfunc
from stages.index.wall import nearest, wall
from tests.conftest import replace, tree
from tests.gallery import COUNT, SIZE, artworks, colours, gallery


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("project")))
        return gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    gallery(tmp_path)
    return tmp_path / "mosaic"


def test_every_row_has_its_metadata_picture_and_vector(mosaic: Collection, tmp_path: Path) -> None:
    network = OnnxModel(colours(SIZE, tmp_path / "featuriser"))
    for number, (picture, known) in enumerate(artworks()):
        assert mosaic.metadata(number) == known
        assert mosaic.find(known["id"]) == number
        assert np.allclose(mosaic.index.vector(number), network.run(picture[np.newaxis])[0], atol=1e-6)
    assert len(mosaic) == COUNT


def test_thumbnails_have_the_shape_that_the_picture_had(mosaic: Collection) -> None:
    tall, wide = (decode(mosaic.thumbnail(number)) for number in (0, 1))
    assert tall.size == (21, 32)
    assert wide.size == (32, 21)


def test_what_is_not_there_is_said(mosaic: Collection) -> None:
    with pytest.raises(KeyError):
        mosaic.find("work-60")
    for call in (mosaic.metadata, mosaic.thumbnail):
        with pytest.raises(IndexError, match="there are 0 to 59"):
            call(60)
        with pytest.raises(IndexError):
            call(-1)


def test_facets_count_the_labels_of_the_blocks(mosaic: Collection) -> None:
    assert mosaic.facets == {
        "Culture": {"dutch": 15, "egyptian": 15, "french": 15, "japanese": 15},
        "Classification": {"ceramics": 20, "paintings": 20, "prints": 20},
    }


@pytest.mark.parametrize("name", ["vectors.npy", "ids.npy", "codes.npy", "thumbs.bin", "metadata.jsonl"])
def test_a_file_cut_short_is_named(folder: Path, name: str) -> None:
    with (folder / name).open("rb+") as file:
        file.truncate((folder / name).stat().st_size // 2)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        Collection(folder)


def test_it_stays_readable_when_its_folder_is_replaced(folder: Path) -> None:
    old = Collection(folder)
    before = [(old.metadata(number), old.thumbnail(number)) for number in range(COUNT)]
    folder.rename(folder.with_name("former"))
    for file in folder.with_name("former").iterdir():
        file.unlink() if file.is_file() else None
    assert [(old.metadata(number), old.thumbnail(number)) for number in range(COUNT)] == before
    assert len(old.index.query(old.index.vector(0), 5).ids[0]) == 5


def test_precision_is_the_share_of_neighbours_with_the_label(mosaic: Collection) -> None:
    found = quality(mosaic, 10, 0)
    assert found["pictures"] == COUNT
    assert found["Culture"]["precision_at_10"] > 0.9 > 3 * found["Culture"]["chance"]
    cultures = [mosaic.metadata(number)["Culture"] for number in range(COUNT)]
    by_hand = []
    for number in range(COUNT):
        best = [other for other in mosaic.index.query(mosaic.index.vector(number), 11).ids[0] if other != number]
        by_hand.append(np.mean([cultures[other] == cultures[number] for other in best[:10]]))
    assert found["Culture"]["precision_at_10"] == pytest.approx(np.mean(by_hand))
    assert found["Culture"]["chance"] == pytest.approx(14 / 59)


def test_labels_of_nobody_else_are_not_asked(mosaic: Collection) -> None:
    assert precision(mosaic.index, [str(number) for number in range(COUNT)], 10, 0) == {}
    labels = ["one", "one", *(str(number) for number in range(COUNT - 2))]
    assert precision(mosaic.index, labels, 10, 0)["queries"] == 2


def test_the_same_pictures_make_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    gallery(tmp_path / "again")
    files = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 12
    assert all((folder / file).read_bytes() == (tmp_path / "again" / "mosaic" / file).read_bytes() for file in files)


def test_the_wall_shows_each_work_beside_its_nearest_in_each_culture(mosaic: Collection, tmp_path: Path) -> None:
    wall(mosaic, tmp_path / "wall.png")
    with Image.open(tmp_path / "wall.png") as page:
        assert page.width // 134 == 5, "a work, and four cultures"


def test_on_the_wall_no_work_stands_beside_itself(mosaic: Collection) -> None:
    for row in range(12):
        culture = mosaic.metadata(row)["Culture"]
        picture, caption = nearest(mosaic, row, culture, among("Culture", [culture]))
        assert culture in caption
        assert not np.array_equal(picture, np.asarray(Image.open(io.BytesIO(mosaic.thumbnail(row)))))


def test_an_index_without_blocks_has_a_wall_of_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    plain = gallery(tmp_path, replace(tree().indexes["mosaic"], partition_by=[]))
    wall(plain, tmp_path / "wall.png")
    with Image.open(tmp_path / "wall.png") as page:
        assert page.width // 134 == 2
    assert plain.facets == {}


def test_records_may_be_empty_or_hold_anything(tmp_path: Path) -> None:
    for records in ([], [b""], [b"", b"a\nb", b"\x00\xff", b""]):
        append(tmp_path / "some.bin", records)
        found = Records(tmp_path / "some.bin")
        assert [found[number] for number in range(len(found))] == records


def test_metadata_is_written_as_it_is_and_nothing_is_null() -> None:
    table = pa.table({"Title": ["“L'été”", None], "id": ["1", "2"]})
    assert [json.loads(line) for line in lines(table)] == [
        {"Title": "“L'été”", "id": "1"},
        {"Title": "", "id": "2"},
    ]


@pytest.mark.parametrize(("resize", "size", "shape"), [
    ("squash", (400, 100), (96, 24)), ("squash", (50, 100), (48, 96)),
    ("letterbox", (400, 100), (96, 24)), ("letterbox", (30, 20), (30, 20)), ("letterbox", (1000, 1), (96, 1)),
])  # fmt: skip
def test_thumbnails_undo_the_resize(resize: str, size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert restored(Image.new("RGB", (96, 96)), np.array(size), resize, 200).size == shape


def test_more_lists_than_pictures_are_refused_before_any_work(tmp_path: Path) -> None:
    config = tree().indexes["mosaic"]
    many = replace(config, mode="approximate", approximate=replace(config.approximate, lists=COUNT + 1))
    with pytest.raises(UserError, match=r"indexes\.mosaic\.approximate\.lists: 61 for 60 pictures; say fewer"):
        gallery(tmp_path, many)
    assert not list((tmp_path / "mosaic").iterdir())


def test_a_missing_column_or_a_name_twice_is_refused() -> None:
    table = pa.table({"id": ["1", "1"], "Title": ["a", "b"]})
    with pytest.raises(UserError, match="no metadata column Culture; there is id, Title"):
        columns(table, ["Title", "Culture"], "artworks")
    with pytest.raises(UserError, match="id_column id: '1' in row 1 stands there twice"):
        refuse_twice(["1", "1"], "id")


def test_mlflow_serves_the_folder(folder: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(next(artworks())[0]).save(file, "PNG")
    asked = pd.DataFrame([
        {"image": file.getvalue(), "n": 3, "where": json.dumps({"Culture": ["french"]})},
        {"image": file.getvalue(), "n": 1, "where": None},
        {"image": file.getvalue(), "where": {"Culture": ["french"]}},
    ])  # fmt: skip
    french, nearest, ten = _load_pyfunc(str(folder)).predict(asked)
    assert [metadata["Culture"] for metadata, _ in ten] == ["french"] * 10
    assert [metadata["Culture"] for metadata, _ in french] == ["french"] * 3
    assert nearest[0][0]["id"] == "work-0"
    assert nearest[0][1] == pytest.approx(1, abs=1e-6)


def test_what_is_opened_while_it_is_replaced_is_of_one_generation(folder: Path, tmp_path: Path) -> None:
    """A writer swaps two collections to and fro; each reader sees one of them whole."""
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    append(other / "metadata.jsonl", [b'{"id": "other"}\n'] * COUNT)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            for source in (other, folder.with_name("mine")):
                with atomic_folder(folder) as scratch:
                    shutil.copytree(source, scratch, dirs_exist_ok=True)

    shutil.copytree(folder, folder.with_name("mine"))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = []
        for _ in range(60):
            one = Collection(folder)
            seen.append({one.metadata(number)["id"] == "other" for number in (0, 59)})
    finally:
        ended.set()
        writer.join()
    assert all(len(ids) == 1 for ids in seen)
