"""The service under attack: a copy of the code with settings of its own, and `bentoml serve` on it."""

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks.load import Question
from benchmarks.server import Server, started
from stages.core.files import write_text
from stages.core.workspace import CODE_ROOT

MODEL = "base_cnn"
WHERE = f"/predictions/{MODEL}"
SMALL, LARGE = (500, 375), (2400, 1800)


def laid_out(home: Path, **settings: object) -> Path:
    """Copy what the services need into a folder, with these keys of `bento` changed; return the folder."""
    for name in ("bento", "stages"):
        shutil.copytree(CODE_ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = yaml.safe_load((CODE_ROOT / "params.yaml").read_text(encoding="utf-8"))
    write_text(home / "params.yaml", yaml.safe_dump({"bento": params["bento"] | settings}))
    return home


@contextmanager
def attacked(code: Path, packages: Path, target: str = MODEL) -> Iterator[Server]:
    """Serve the packages of a project's folder with the code and settings of another; yield the server."""
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", f"bento.service:{target}", "--port"]
    home = {"BESTIARY_HOME": str(packages), "BENTOML_HOME": str(code / ".bentoml")}
    with started(command, home, code) as server:
        yield server


def jpeg(width: int, height: int, grain: int = 16, quality: int = 90) -> bytes:
    """Return a JPEG of noise in spots of `grain` pixels: the finer, the larger the file."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // grain, width // grain, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
    return file.getvalue()


def small() -> Question:
    """Return a question with a photograph of 40 kB."""
    return Question(WHERE, jpeg(*SMALL))


def large() -> Question:
    """Return a question with a photograph of 5 MB."""
    return Question(WHERE, jpeg(*LARGE, grain=1, quality=95))
