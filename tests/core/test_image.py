import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from stages.core.image import NotAPicture, TooLarge, Undecodable, decode, pixels, resize
from tests.conftest import encoded, photo


def quadrants() -> Image.Image:
    """Return a picture whose four corners tell which way is up."""
    image = Image.new("RGB", (64, 48), "black")
    pen = ImageDraw.Draw(image)
    for box, colour in (((0, 0, 32, 24), "red"), ((32, 0, 64, 24), "lime"), ((0, 24, 32, 48), "blue")):
        pen.rectangle(box, fill=colour)
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = quadrants()
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(encoded(stored, "JPEG", exif=exif, quality=95))
    assert image.size == upright.size
    assert np.abs(np.asarray(image, int) - np.asarray(upright, int)).mean() < 4


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("1", "PNG"),
     ("CMYK", "JPEG"), ("L", "JPEG"), ("RGB", "BMP"), ("RGB", "TIFF"), ("RGB", "WEBP")],
)  # fmt: skip
def test_every_mode_becomes_rgb(mode: str, kind: str) -> None:
    image = pixels(encoded(photo().convert(mode), kind), 20, "squash")
    assert (image.shape, image.dtype) == ((20, 20, 3), np.uint8)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = (np.linspace(0, 65535, 64 * 64).reshape(64, 64)).astype(np.uint16)
    gray = np.asarray(decode(encoded(Image.fromarray(deep), "PNG")))
    assert gray[0, 0, 0] == 0
    assert gray[-1, -1, 0] == 255
    assert abs(int(gray[32, 0, 0]) - 128) <= 2


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert decode(encoded(clear)).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_a_large_picture_is_converted_in_bands_to_the_same_pixels(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = photo(40, 31).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    else:
        image.putalpha(photo(40, 31, seed=1).convert("L"))
    whole = np.asarray(decode(encoded(image)))
    for band in (1, 80, 100, 40 * 31):
        monkeypatch.setattr("stages.core.image.BAND_PIXELS", band)
        assert np.array_equal(np.asarray(decode(encoded(image))), whole)


def test_an_animation_is_its_first_frame() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert decode(file.getvalue()).getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", NotAPicture), (b"<html></html>", NotAPicture), (b"\x89PNG\r\n\x1a\n" + bytes(50), Undecodable),
     (encoded(photo(), "JPEG")[:300], Undecodable), (encoded(photo(), "PNG")[:90], Undecodable)],
)  # fmt: skip
def test_what_is_no_picture_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        pixels(data, 16, "squash")


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = encoded(Image.new("1", (6000, 6000)))
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge, match="6000 x 6000 pixels, more than 25 megapixels"):
        decode(bomb)
    with pytest.raises(TooLarge):
        decode(encoded(photo(40, 30)), max_pixels=1000)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]), st.data())
def test_no_bytes_crash_it(seed: int, kind: str, data: st.DataObject) -> None:
    hurt = bytearray(encoded(photo(24, 18, seed), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        hurt[data.draw(st.integers(0, len(hurt) - 1))] = data.draw(st.integers(0, 255))
    del hurt[data.draw(st.integers(1, len(hurt))) :]
    with contextlib.suppress(Undecodable):
        assert pixels(bytes(hurt), 16, "letterbox").shape == (16, 16, 3)


@pytest.mark.parametrize("size", [(2000, 1500), (1000, 700), (640, 900)])
def test_scaled_decoding_stays_within_its_tolerance(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    noisy = np.asarray(photo(*size), int) + rng.normal(0, 12, (size[1], size[0], 3))
    data = encoded(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), "JPEG", quality=92)
    exact = np.asarray(resize(decode(data), 160, "squash"), int)
    assert np.abs(pixels(data, 160, "squash").astype(int) - exact).mean() <= 1.5


def test_squash_fills_and_letterbox_keeps_the_ratio() -> None:
    white = Image.new("RGB", (40, 20), "white")
    assert np.asarray(resize(white, 10, "squash")).min() == 255
    boxed = np.asarray(resize(white, 10, "letterbox"))
    assert boxed[:2].max() == boxed[8:].max() == 0
    assert boxed[3:7].min() == 255
    small = np.asarray(resize(Image.new("RGB", (4, 4), "white"), 10, "letterbox"))
    assert small.sum() == 16 * 3 * 255, "shrunk to fit, never enlarged"
