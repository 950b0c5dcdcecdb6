from pathlib import Path

import numpy as np
import pytest

from stages.core.image import MAX_PIXELS, TooLarge, Undecodable, pixels
from stages.core.onnx_model import OnnxClassifier, OnnxModel, list_precisions
from tests.conftest import encoded, photo, python

PICTURES = [encoded(photo(90 + seed, 70, seed), "JPEG") for seed in range(3)]


@pytest.fixture(scope="module")
def folder(package: Path) -> Path:
    return package / "base_cnn"


@pytest.fixture(scope="module")
def model(folder: Path) -> OnnxClassifier:
    return OnnxClassifier(folder, threads=1)


def test_a_package_opens_under_its_own_name_and_with_its_metadata(model: OnnxClassifier) -> None:
    assert (model.name, model.version, model.labels) == ("base_cnn", "1", ["cat", "dog"])
    assert model.metadata["size"] == 48


def test_the_precisions_of_a_package(folder: Path, quantized: Path) -> None:
    assert list_precisions(folder) == ["fp32"]
    assert list_precisions(quantized / "base_cnn") == ["fp32", "int8"]
    assert OnnxModel(quantized / "base_cnn", precision="int8").version == "2"


def test_a_batch_answers_as_one_by_one(model: OnnxClassifier) -> None:
    batch = model.predict(PICTURES)
    assert batch.shape == (3, 2)
    for picture, row in zip(PICTURES, batch, strict=True):
        assert np.allclose(model.run(pixels(picture, 48, "squash")[None])[0], row, atol=1e-6)
        assert np.allclose(model.predict([picture])[0], row, atol=1e-6)


def test_predict_raises_where_predict_each_leaves_out(model: OnnxClassifier) -> None:
    broken, unread = PICTURES[1][:-400], Undecodable("no such file")
    with pytest.raises(Undecodable, match="broken JPEG"):
        model.predict([PICTURES[0], broken])
    first, second, third, last = model.predict_each(iter([PICTURES[0], broken, unread, PICTURES[2]]))
    assert np.allclose([first, last], model.predict([PICTURES[0], PICTURES[2]]), atol=1e-6)
    assert third is unread
    assert isinstance(second, Undecodable)
    assert (second.__traceback__, second.__cause__, second.__context__) == (None, None, None)
    assert model.predict_each([unread]) == [unread]


def test_all_pictures_of_a_batch_are_bounded_where_a_bound_is_set(folder: Path) -> None:
    total = sum(width * 70 for width in (90, 91, 92))
    for most, fits in ((None, True), (total, True), (total - 1, False)):
        bounded = OnnxClassifier(folder, 1, MAX_PIXELS, "fp32", most)
        for predict in (bounded.predict, bounded.predict_each):
            if fits:
                assert len(predict(PICTURES)) == 3
            else:
                with pytest.raises(TooLarge, match="megapixels in one request"):
                    predict(PICTURES)
        bounded.check_total_pixels([*PICTURES[:2], b"no picture", Undecodable("none")])


def test_one_picture_is_bounded_by_its_header(folder: Path) -> None:
    with pytest.raises(TooLarge):
        OnnxClassifier(folder, 1, max_pixels=90 * 70 - 1).predict(PICTURES[:1])


def test_labels_are_ranked_most_probable_first(model: OnnxClassifier) -> None:
    assert list(model.rank_labels(np.array([0.2, 0.8], np.float32)).items()) == [
        ("dog", pytest.approx(0.8)),
        ("cat", pytest.approx(0.2)),
    ]
    assert list(model.rank_labels(np.array([0.5, 0.5], np.float32))) == ["cat", "dog"]


def test_it_imports_nothing_that_a_service_lacks() -> None:
    code = """
import sys, stages.core.onnx_model
print(sorted(name for name in sys.modules if name.startswith("stages") or name in ("torch", "rich", "pydantic")))
"""
    assert python("-c", code).stdout.strip() == str(
        ["stages", "stages.core", "stages.core.image", "stages.core.onnx_model"]
    )
