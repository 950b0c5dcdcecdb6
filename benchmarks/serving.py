"""The v2 service against the plainest application on the same ONNX Runtime session, both asked by tritonclient."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.packages import ORDINARY, package
from benchmarks.server import served
from benchmarks.timing import Ratio
from bento.settings import settings
from stages.core.console import track

SIZE, REQUESTS, ROUNDS = ORDINARY, 60, 9


def inference() -> Ratio:
    """Ask both for one image at a time, in turn; compare the medians."""
    with tempfile.TemporaryDirectory() as home:
        return measured(Path(home))


def measured(home: Path) -> Ratio:
    """Serve a package of this folder both ways, and time them."""
    file = package(home, size=SIZE) / "model.onnx"
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
