"""The v2 service against the plainest application on the same ONNX Runtime session, both asked by tritonclient."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.server import served
from benchmarks.timing import Ratio
from bento.settings import settings
from stages.config import compose, typed
from stages.console import track
from stages.files import write_json

SIZE, REQUESTS, ROUNDS = 180, 60, 9


def inference() -> Ratio:
    """Ask both for one image at a time, in turn; compare the medians."""
    with tempfile.TemporaryDirectory() as home:
        return measured(Path(home))


def measured(home: Path) -> Ratio:
    """Serve a package of this folder both ways, and time them."""
    file = package(home)
    here = {"BESTIARY_HOME": str(home), "MODEL": str(file), "THREADS": str(settings().threads)}
    scripts = Path(sys.executable).parent
    with ExitStack() as stack:
        bento = [str(scripts / "bentoml"), "serve", "bento.service:base_cnn", "--port"]
        plain = [str(scripts / "uvicorn"), "benchmarks.plain:app", "--log-level", "warning", "--port"]
        ours, peer = (asker(stack.enter_context(served(command, here))) for command in (bento, plain))
        ours(), peer()
        pairs = [(ours(), peer()) for _ in track(range(ROUNDS), ROUNDS, "v2")]
    own, other = (f"{statistics.median(pair[side] for pair in pairs) * 1000:.1f} ms p50" for side in (0, 1))
    claim = "v2 infer of one image vs plain Starlette, same session"
    return Ratio(claim, own, other, [peer / own for own, peer in pairs], "≥ 0.83 (1 / 1.2)")


def package(home: Path, size: int = SIZE) -> Path:
    """Write a package of base_cnn with random weights for pictures of `size` pixels; return its ONNX file."""
    import torch

    from stages.package.__main__ import contract
    from stages.package.onnx import export
    from stages.train.lightning.model import Classifier
    from stages.train.model import Description, build

    model = typed(compose()).models["base_cnn"]
    folder = home / "artifacts" / "packages" / "base_cnn"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    network = build("lightning", model.train.network, 2, size, [])
    export(Classifier(network, [0.5] * 3, [0.5] * 3).eval(), size, model.package.opset, folder / "model.onnx")
    described = Description("base_cnn", "kaggle", "", ["cat", "dog"], size, "squash", [], asdict(model.train))
    write_json(folder / "model.json", contract(described, model.package, "", ""))
    return folder / "model.onnx"


def asker(address: str) -> Callable[[], float]:
    """Return a function that asks for one image many times and returns the median, seconds."""
    from tritonclient.http import InferenceServerClient, InferInput

    client = InferenceServerClient(address)
    tensor = InferInput("pixels", [1, SIZE, SIZE, 3], "UINT8")
    tensor.set_data_from_numpy(np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8))

    def ask() -> float:
        times = []
        for _ in range(REQUESTS):
            start = time.perf_counter()
            client.infer("base_cnn", [tensor])
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    return ask
