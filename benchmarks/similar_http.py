"""`POST /similar` with an uploaded picture against the same featuriser and index called without a service."""

import io
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.server import served
from benchmarks.timing import Ratio
from bento.settings import settings
from stages.core.console import track
from stages.core.files import write_json
from stages.core.onnx_model import OnnxModel
from stages.index.collection import FEATURISER, METADATA, THUMBS
from stages.index.conditional import ConditionalIndex
from stages.index.records import append

SIZE, ROWS, DIMENSION, BEST = 225, 20_000, 2048, 10
REQUESTS, ROUNDS = 20, 7


def asking() -> Ratio:
    """Ask both for the ten best matches of one photograph, in turn; compare the medians."""
    with tempfile.TemporaryDirectory() as home:
        return measured(Path(home))


def measured(home: Path) -> Ratio:
    """Serve an index of this folder, and time it beside the bare calls."""
    folder = home / "artifacts" / "indexes" / "mosaic"
    index(folder)
    picture = photograph()
    bare = caller(folder, picture)
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", "bento.service:mosaic", "--port"]
    with served(command, {"BESTIARY_HOME": str(home)}) as address:
        ours = asker(address, picture)
        ours(), bare()
        pairs = [(ours(), bare()) for _ in track(range(ROUNDS), ROUNDS, "/similar")]
    own, other = (f"{statistics.median(pair[side] for pair in pairs) * 1000:.1f} ms p50" for side in (0, 1))
    claim = f"POST /similar of a photograph, {ROWS:,} × {DIMENSION:,}, vs featurise + search bare"
    return Ratio(claim, own, other, [peer / own for own, peer in pairs], "≥ 0.77 (1 / 1.3)")


def index(folder: Path) -> None:
    """Write an index of random directions with ResNet-50 for its featuriser, random weights."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ROWS, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [{"id": str(row), "Title": f"No. {row}", "Culture": f"culture {row % 30}"} for row in range(ROWS)]
    table = {name: [row[name] for row in rows] for name in rows[0]}
    facets = {"Culture": {label: table["Culture"].count(label) for label in sorted(set(table["Culture"]))}}
    about = {
        "name": "mosaic",
        "id_column": "id",
        "show": ["Title", "Culture"],
        "noun": "artworks",
        "facets": facets,
        "mode": "exact",
    }
    folder.mkdir(parents=True)
    ConditionalIndex.build(folder, vectors, table, ["Culture"], about)
    append(folder / METADATA, (json.dumps(row).encode() for row in rows))
    append(folder / THUMBS, (b"" for _ in rows))
    featuriser(folder / FEATURISER)


def featuriser(folder: Path) -> None:
    """Write ResNet-50 up to its pooling as a package."""
    from stages.package import cut
    from stages.package.cut.source import POOL, Source
    from stages.package.onnx import export

    source = Source("lightning", {"name": "resnet50"}, "none", POOL, [0.5] * 3, [0.2] * 3, SIZE, 0, [])
    folder.mkdir()
    export(cut.featuriser(source), SIZE, 20, folder / "model.onnx", "features")
    tensors = {"input": {"name": "pixels"}, "output": {"name": "features"}}
    write_json(folder / "model.json", {"name": "mosaic", "size": SIZE, "resize": "squash"} | tensors)


def photograph() -> bytes:
    """Return a JPEG of 500 × 375 pixels."""
    coarse = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def caller(folder: Path, picture: bytes) -> Callable[[], float]:
    """Return a function that featurises and searches many times and returns the median, seconds."""
    network, vectors = OnnxModel(folder / FEATURISER, settings().threads), ConditionalIndex.load(folder)

    def call() -> None:
        vectors.query(network.run(network.decode(picture)[None]), BEST)

    return lambda: median(call)


def asker(address: str, picture: bytes) -> Callable[[], float]:
    """Return a function that posts many times and returns the median, seconds."""
    request = urllib.request.Request(f"http://{address}/similar?n={BEST}", picture, {"Content-Type": "image/jpeg"})

    def ask() -> None:
        with urllib.request.urlopen(request) as answer:
            assert len(json.load(answer)["results"]) == BEST

    return lambda: median(ask)


def median(work: Callable[[], None]) -> float:
    """Return how long work usually takes, seconds."""
    times = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
