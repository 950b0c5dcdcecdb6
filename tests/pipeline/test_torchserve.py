"""A real TorchServe loads the archive of every PyTorch model and answers as the service here does."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.torchserve import has_java, torchserve
from tests.conftest import encoded, photo
from tests.pipeline.projects import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_java(), reason="no Java here, which TorchServe runs on: install a Java 17 runtime"),
]

MODELS = ("base_cnn", "vgg19", "resnet50", "breeds")
UPSIDE_DOWN = 3
NEAR = 1e-4


def pictures() -> dict[str, bytes]:
    """Return pictures of every kind that needs care, by name."""
    turned = photo(300, 200).getexif()
    turned[0x0112] = UPSIDE_DOWN
    see_through = photo(120, 90, seed=1).convert("RGBA")
    see_through.putalpha(photo(120, 90, seed=2).convert("L"))
    return {
        "plain.jpg": encoded(photo(500, 375), "JPEG"),
        "turned.jpg": encoded(photo(300, 200, seed=3), "JPEG", exif=turned),
        "cmyk.jpg": encoded(photo(300, 200, seed=4).convert("CMYK"), "JPEG"),
        "see-through.png": encoded(see_through),
    }


def broken() -> dict[str, tuple[bytes, int]]:
    """Return what is no picture, and the status that answers it."""
    whole = encoded(photo(300, 200), "JPEG")
    return {
        "text.txt": (b"not a picture", 415),
        "cut.jpg": (whole[: len(whole) // 2], 400),
        "large.png": (encoded(Image.new("1", (6000, 5000))), 413),
    }


@contextmanager
def servers(built: Path) -> Iterator[tuple[str, str]]:
    """Yield the addresses of TorchServe and of the service here, both with every PyTorch model."""
    packages = built / "artifacts" / "packages"
    config = packages / "base_cnn" / "torchserve" / "config.properties"
    archives = [packages / model / f"{model}.mar" for model in MODELS]
    with ExitStack() as stack:
        theirs = stack.enter_context(torchserve(config, archives, {"TS_DEFAULT_WORKERS_PER_MODEL": "1"}))
        ours = stack.enter_context(served("bento.service:Bestiary", built))
        yield f"http://{theirs}", ours


def curl(address: str, model: str, file: Path) -> tuple[int, Any]:
    """Ask as the documentation does; return status and answer."""
    words = ["curl", "-s", "-w", "\n%{http_code}", "-X", "POST", f"{address}/predictions/{model}", "-T", str(file)]
    body, _, status = subprocess.run(words, capture_output=True, text=True, check=True).stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_torchserve_answers_and_refuses_as_the_service_does(built: Path, tmp_path: Path) -> None:
    with servers(built) as addresses:
        for (name, content), model in product(pictures().items(), MODELS):
            file = tmp_path / name
            file.write_bytes(content)
            (theirs, their_answer), (ours, our_answer) = (curl(address, model, file) for address in addresses)
            assert (theirs, ours) == (200, 200), (name, model)
            assert their_answer == pytest.approx(our_answer, abs=NEAR), (name, model)
        for name, (content, status) in broken().items():
            file = tmp_path / name
            file.write_bytes(content)
            theirs, ours = (curl(address, "base_cnn", file) for address in addresses)
            assert theirs == ours, name
            assert theirs[0] == status, name
