import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from stages.config.schema import Synthetic
from stages.core.image import Undecodable, decode
from stages.fetch.synthetic import CAT, DOG, broken, drawings, photograph
from stages.layouts import kaggle
from tests.conftest import SMALL

SPEC = Synthetic(images=600, unlabelled=0, corrupt=0, classes=2, smallest=100, largest=240)


def test_a_picture_is_a_function_of_seed_and_number(archive: Path, tmp_path: Path) -> None:
    again = kaggle.draw(tmp_path, SMALL, seed=7)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(archive.read_bytes()).digest()
    assert photograph((CAT, 100, 200, 7, 1)) != photograph((CAT, 100, 200, 7, 2)) != photograph((DOG, 100, 200, 7, 2))


def test_sizes_keep_to_the_bounds() -> None:
    for number in range(20):
        width, height = Image.open(io.BytesIO(photograph((DOG, 120, 800, 1, number)))).size
        assert 120 <= min(width, height) <= max(width, height) <= 800


def test_every_kind_of_broken_file_is_broken() -> None:
    sample = photograph((CAT, 100, 200, 0, 0))
    for number in range(4):
        try:
            decode(broken(number, sample))
        except Undecodable:
            continue
        raise AssertionError(number)


def test_a_linear_model_on_pixels_does_not_solve_it() -> None:
    pets = [(CAT, DOG)[number % 2] for number in range(SPEC.images)]
    pixels = [
        np.asarray(Image.open(io.BytesIO(data)).resize((32, 32))).ravel() / 255 for data in drawings(pets, SPEC, 3)
    ]
    truth = np.arange(SPEC.images) % 2
    scaled = StandardScaler().fit_transform(pixels)
    for strength in (1e-4, 1e-3, 1e-2):
        model = LogisticRegression(C=strength, max_iter=500).fit(scaled[:400], truth[:400])
        assert model.score(scaled[400:], truth[400:]) <= 0.70
