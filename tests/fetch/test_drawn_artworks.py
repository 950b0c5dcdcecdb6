import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.config.schema import Synthetic
from stages.core.errors import UserError
from stages.core.image import Undecodable, decode
from stages.fetch.artworks import LOST, MOTIFS, TITLES, VIEWS, Drawn, lost, photograph, photographs, works
from stages.fetch.gallery import compositions, landscapes, ornament
from stages.fetch.gallery.cultures import CULTURES, Culture, cultures
from stages.fetch.gallery.techniques import TECHNIQUES
from stages.fetch.kinds import kind
from stages.layouts import artworks

SPEC = Synthetic(images=132, unlabelled=0, corrupt=5, classes=6, smallest=64, largest=128)
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def test_every_culture_has_a_look_of_its_own() -> None:
    assert len(CULTURES) >= 30
    assert len({culture.name for culture in CULTURES}) == len(CULTURES)
    assert len({culture.colours for culture in CULTURES}) == len(CULTURES)
    looks = {(culture.motif, culture.order, culture.border, culture.landmark) for culture in CULTURES}
    assert len(looks) == len(CULTURES)
    assert all(re.fullmatch(r"[0-9a-f]{6}( [0-9a-f]{6}){4}", culture.colours) for culture in CULTURES)


def test_what_cultures_name_can_be_drawn_and_told() -> None:
    assert {culture.motif for culture in CULTURES} == set(ornament.MOTIFS) == set(MOTIFS)
    assert {culture.border for culture in CULTURES} == set(compositions.BORDERS)
    assert {culture.landmark for culture in CULTURES} == set(landscapes.LANDMARKS) == set(VIEWS)
    assert set(TITLES) == set(TECHNIQUES)
    assert len(TECHNIQUES) >= 8


def test_more_classes_than_cultures_are_refused() -> None:
    assert cultures(3) == list(CULTURES[:3])
    with pytest.raises(UserError, match=rf"classes: 99 is out of range; {len(CULTURES)} cultures can be drawn"):
        cultures(99)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_picture_is_a_function_of_artwork_and_seed(technique: str) -> None:
    work = Drawn(CULTURES[3], technique, 5)
    one, again, other = (photograph((work, 64, 100, seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert decode(one).size <= (100, 100)
    assert min(decode(one).size) >= 64


@pytest.mark.parametrize("culture", CULTURES, ids=lambda culture: culture.name)
def test_every_culture_is_drawn_and_told_about(culture: Culture) -> None:
    for technique in ("textiles", "paintings"):
        work = Drawn(culture, technique, 1)
        assert np.asarray(decode(photograph((work, 64, 64, 1)))).std() > 10
        about = work.about(1)
        assert about == work.about(1)
        assert (about["Culture"], about["Classification"]) == (culture.name, technique)
        assert all(re.fullmatch(r"[^{}\t\n]+", value) for value in about.values())


def test_cultures_and_techniques_go_together_equally_often() -> None:
    found = works(SPEC)
    pairs = {(work.culture.name, work.technique) for work in found}
    assert len(found) == SPEC.images
    assert len(pairs) == SPEC.classes * len(TECHNIQUES)


def test_every_kind_of_lost_picture_is_lost() -> None:
    sample = photograph((Drawn(CULTURES[0], "glass", 0), 64, 100, 1))
    for number in range(len(LOST)):
        content = lost(number, sample)
        if content is not None:
            with pytest.raises((Undecodable, UserError)):
                (kind(content), decode(content))
    assert lost(1, sample) is None


def precision(features: Floats, labels: list[str]) -> float:
    """Return which share of an artwork's five nearest have its label."""
    features = features - features.mean(0)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    scores = features @ features.T
    np.fill_diagonal(scores, -2)
    names = np.array(labels)
    return float((names[np.argsort(-scores, axis=1)[:, :5]] == names[:, None]).mean())


def test_to_find_artworks_is_neither_trivial_nor_hopeless() -> None:
    found = works(SPEC)
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in photographs(found, SPEC, 3)]
    techniques, peoples = [work.technique for work in found], [work.culture.name for work in found]
    pixels = np.array([np.asarray(picture.resize((24, 24)), float).ravel() for picture in pictures])
    colour = pixels.reshape(len(found), -1, 3).mean(1)
    assert precision(colour, techniques) < 0.35
    assert precision(colour, peoples) < 0.3
    assert 0.35 < precision(pixels, techniques) < 0.95
    histograms = np.array([np.sqrt(histogram(picture)) for picture in pictures])
    assert 0.2 < precision(histograms, peoples) < 0.8


def histogram(picture: Image.Image) -> Floats:
    pixels = np.asarray(picture.resize((48, 48))).reshape(-1, 3)
    return np.histogramdd(pixels, bins=(6, 6, 6), range=[(0, 256)] * 3)[0].ravel()


def test_they_are_drawn_in_the_published_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    spec = Synthetic(images=14, unlabelled=2, corrupt=5, classes=3, smallest=64, largest=80)
    raw, again = tmp_path / "raw", tmp_path / "again"
    raw.mkdir()
    again.mkdir()
    table = artworks.draw(raw, spec, seed=7)
    head, *lines = table.read_text().splitlines()
    assert head.split("\t") == [
        "id",
        "Title",
        "Artist",
        "Thumbnail_Url",
        "Image_Url",
        "Culture",
        "Classification",
        "Museum",
    ]
    assert len(lines) == 21
    artworks.collect(table, raw, list, True, "synthetic", root="cache")
    found = artworks.entries(raw / "images.zip", raw, label="Culture")
    assert [entry.label for entry in found[:3]] == ["japanese", "dutch", "egyptian"]
    assert [entry.label for entry in found[14:16]] == [None, None]
    assert sum(entry.unwanted for entry in found) == 3, "two broken ones begin as pictures do"
    assert artworks.draw(again, spec, seed=7).read_bytes() == table.read_bytes()
    artworks.collect(again / table.name, again, list, True, "synthetic", root="cache")
    assert (again / "images.zip").read_bytes() == (raw / "images.zip").read_bytes()
