import io
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from stages.config.schema import Synthetic
from stages.core.errors import UserError
from stages.fetch.breeds import KENNEL, PATTERNS, kennel
from stages.fetch.synthetic import drawings, photograph

SPEC = Synthetic(images=480, unlabelled=0, corrupt=0, classes=12, smallest=64, largest=100)


def test_breeds_have_the_names_that_are_published() -> None:
    assert len(KENNEL) >= 12
    folders = [breed.folder for breed in KENNEL]
    assert all(re.fullmatch(r"n\d{8}-[A-Za-z][\w-]+", name) for name in folders)
    assert {"n02085620-Chihuahua", "n02086240-Shih-Tzu", "n02100236-German_short-haired_pointer"} <= set(folders)
    assert len(set(folders)) == len(folders)
    assert {breed.pattern for breed in KENNEL} <= set(PATTERNS)


def test_no_two_breeds_are_made_alike() -> None:
    looks = {(b.coat, b.second, b.pattern, b.ears, b.shaggy) for b in KENNEL}
    assert len(looks) >= len(KENNEL) - 1
    assert len({breed.coat for breed in KENNEL[:12]}) < 12, "a hue is shared"


def test_more_classes_than_breeds_are_refused() -> None:
    assert kennel(2) == list(KENNEL[:2])
    with pytest.raises(UserError, match=rf"classes: 99 is out of range; {len(KENNEL)} breeds can be drawn"):
        kennel(99)


@pytest.mark.parametrize("breed", KENNEL, ids=lambda breed: breed.folder)
def test_a_picture_is_a_function_of_breed_seed_and_number(breed: object) -> None:
    one, again, other = (photograph((breed, 64, 100, 1, number)) for number in (1, 1, 2))
    assert one == again != other


def test_a_mean_colour_does_not_tell_breeds_apart_but_shapes_help() -> None:
    dogs = [KENNEL[number % 12] for number in range(SPEC.images)]
    pictures = [Image.open(io.BytesIO(data)).resize((24, 24)) for data in drawings(dogs, SPEC, 5)]
    pixels = np.array([np.asarray(picture, float).reshape(-1, 3) / 255 for picture in pictures])
    truth = np.arange(SPEC.images) % 12
    half = SPEC.images // 2
    mean = KNeighborsClassifier(9).fit(pixels[:half].mean(1), truth[:half])
    assert mean.score(pixels[half:].mean(1), truth[half:]) <= 0.35
    whole = LogisticRegression(C=0.01, max_iter=300).fit(pixels[:half].reshape(half, -1), truth[:half])
    assert whole.score(pixels[half:].reshape(half, -1), truth[half:]) >= 0.25, "chance is 0.08"
