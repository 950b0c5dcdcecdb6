"""`POST` a JPEG, get a label: the service here against a real TorchServe 0.12 with the eager `.mar` of the same model.

TorchServe's handlers can run ONNX too: what is compared is what the published system serves.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.load import Question, closed, percentile, throughput
from benchmarks.packages import pictures, whole_package
from benchmarks.server import served
from benchmarks.similar_http import photograph
from benchmarks.timing import REST, Ratio, shown
from benchmarks.torchserve import torchserve
from stages.core.console import track
from stages.core.onnx_model import OnnxModel
from stages.core.workspace import CODE_ROOT
from stages.preprocess.store import Images

MODELS = ("base_cnn", "resnet50")
PRESETS = {"latency 1 × 2": (1, 2), "throughput 2 × 1": (2, 1)}  # workers × threads
DEFAULT = "TorchServe as it comes"
BATCHES = {"defaultVersion": True, "minWorkers": 1, "maxWorkers": 1, "batchSize": 8, "maxBatchDelay": 10}
TUNINGS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {  # variables; a model's section in config.properties
    DEFAULT: ({}, {}),
    "TorchServe, 2 workers × 1 thread": ({"TS_DEFAULT_WORKERS_PER_MODEL": "2", "OMP_NUM_THREADS": "1"}, {}),
    "TorchServe, 1 worker, batch 8": ({}, BATCHES),
}
INT8 = "2.0"  # its version in TorchServe's protocol
MANY = 8
BARS = {  # (model, clients, preset): against TorchServe as it comes, and against its best tuning
    ("base_cnn", MANY, "throughput 2 × 1"): ("≥ 3", "≥ 1.4"),
    ("resnet50", MANY, "throughput 2 × 1"): ("≥ 3", "≥ 1.4"),
    ("base_cnn", MANY, "throughput 2 × 1, int8"): ("reported", "≥ 2.5"),
    ("resnet50", MANY, "throughput 2 × 1, int8"): ("reported", "≥ 2.5"),
    ("base_cnn", 1, "latency 1 × 2"): ("≥ 1.25 (1 / 0.8)", "≥ 1.25 (1 / 0.8)"),
    ("resnet50", 1, "latency 1 × 2"): ("≥ 2 (1 / 0.5)", "≥ 2 (1 / 0.5)"),
}
OVERHEAD = {"resnet50": "≥ 0.87 (1 / 1.15)"}


class Load(NamedTuple):
    """What clients saw in one turn: seconds that half and 99 % of the requests stayed within, requests a second."""

    median: float
    p99: float
    rate: float


class Entrant(NamedTuple):
    """A server's host:port, and the path at which it predicts."""

    address: str
    path: str


Turns = dict[str, list[Load]]


def answering(names: tuple[str, ...] = MODELS, rounds: int = 3, lasting: float = 6.0) -> list[Ratio]:
    """Race both servers with one client and with many, then the service and its model alone."""
    found = []
    for name in names:
        with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
            folder = whole_package(Path(home), name)
            addresses = {label: stack.enter_context(server) for label, server in servers(Path(home), folder)}
            raced = entrants(addresses, name)
            for entrant in raced.values():
                load(entrant, MANY, lasting / 2)
            found.append(alone(folder, rounds, partial(load, raced["latency 1 × 2"], 1, lasting)))
            for clients in (1, MANY):
                seen = in_turn(raced, f"{name}, {clients} clients", clients, rounds, lasting)
                found += [
                    ratio for ours in raced if ours not in TUNINGS for ratio in against(name, clients, ours, seen)
                ]
    return found


def entrants(addresses: dict[str, str], model: str) -> dict[str, Entrant]:
    """Return who takes part: every server, and both presets of the service once more with int8."""
    path = f"/predictions/{model}"
    found = {label: Entrant(address, path) for label, address in addresses.items()}
    return found | {f"{preset}, int8": Entrant(addresses[preset], f"{path}/{INT8}") for preset in PRESETS}


def servers(home: Path, folder: Path) -> Iterator[tuple[str, AbstractContextManager[str]]]:
    """Yield the service with every preset and TorchServe with every tuning, by name, none of them started."""
    model = folder.name
    for preset, (workers, threads) in PRESETS.items():
        yield preset, service(home / preset, folder, workers, threads)
    for tuning, (variables, section) in TUNINGS.items():
        config = home / f"{tuning}.properties"
        written = (folder / "torchserve" / "config.properties").read_text(encoding="utf-8")
        models = {model: {"1.0": {"marName": f"{model}.mar", "responseTimeout": 120, **section}}}
        config.write_text(written + (f"models={json.dumps(models)}\n" if section else ""), encoding="utf-8")
        yield tuning, torchserve(config, [folder / f"{model}.mar"], variables)


def service(home: Path, folder: Path, workers: int, threads: int) -> AbstractContextManager[str]:
    """Serve a package by a copy of the code that has settings of its own."""
    for name in ("bento", "stages"):
        shutil.copytree(CODE_ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = yaml.safe_load((CODE_ROOT / "params.yaml").read_text(encoding="utf-8"))
    chosen = params["bento"] | {"workers": workers, "threads": threads}
    (home / "params.yaml").write_text(yaml.safe_dump({"bento": chosen}), encoding="utf-8")
    bentoml = str(Path(sys.executable).with_name("bentoml"))
    words = [bentoml, "serve", f"bento.service:{folder.name}", "--working-dir", str(home), "--port"]
    return served(words, {"BESTIARY_HOME": str(folder.parents[2])})


def load(asked: Entrant, clients: int, seconds: float) -> Load:
    """Let clients post one photograph again and again; every answer must be good."""
    seen = closed(asked.address, Question(asked.path, photograph()), clients, seconds)
    bad = [one.status for one in seen if one.status != 200]
    if bad:
        raise AssertionError(f"{asked}: {len(bad)} of {len(seen)} answers were {sorted(set(bad))}")
    return Load(percentile(seen, 50), percentile(seen, 99), throughput(seen))


def in_turn(raced: dict[str, Entrant], title: str, clients: int, rounds: int, seconds: float) -> Turns:
    """Ask every one in turn, round after round."""
    found: Turns = {label: [] for label in raced}
    for _ in track(range(rounds), rounds, title):
        for label, entrant in raced.items():
            time.sleep(REST)
            found[label].append(load(entrant, clients, seconds))
    return found


def against(model: str, clients: int, preset: str, seen: Turns) -> list[Ratio]:
    """Compare a preset with TorchServe as it comes and with its best tuning: latency alone, throughput together."""
    worth: Callable[[Load], float] = (lambda one: one.rate) if clients > 1 else (lambda one: 1 / one.median)
    best = max(TUNINGS, key=lambda label: statistics.median(map(worth, seen[label])))
    bars = BARS.get((model, clients, preset), ("reported", "reported"))
    asked = "1 client, p50" if clients == 1 else f"{clients} clients, requests/s"
    peers = {"as it comes": DEFAULT, "at its best": best}
    if best == DEFAULT:
        peers = {"as it comes, which is its best": DEFAULT}
    found = []
    for (named, peer), bar in zip(peers.items(), bars, strict=False):
        pairs = [worth(a) / worth(b) for a, b in zip(seen[preset], seen[peer], strict=True)]
        claim = f"POST a JPEG to {model}, {preset}, {asked}, vs TorchServe {named}"
        found.append(Ratio(claim, told(seen[preset]), f"{told(seen[peer])} ({peer})", pairs, bar))
    return found


def told(loads: list[Load]) -> str:
    """Return the medians of what was seen."""
    median, p99, rate = (statistics.median(column) for column in zip(*loads, strict=True))
    return f"p50 {shown(median)}, p99 {shown(p99)}, {rate:.1f}/s"


def alone(folder: Path, rounds: int, ask: Callable[[], Load]) -> Ratio:
    """Compare the service, asked by one client, with its ONNX session given decoded pixels, as many threads."""
    network = OnnxModel(folder, PRESETS["latency 1 × 2"][1])
    image = pictures(1, network.metadata["size"])
    pairs = [(ask().median, bare(network, image)) for _ in track(range(rounds), rounds, f"{folder.name} alone")]
    ours, model = (statistics.median(side) for side in zip(*pairs, strict=True))
    claim = f"POST a JPEG to {folder.name}, 1 client, vs its ONNX session alone: HTTP, decoding, queue"
    bar = OVERHEAD.get(folder.name, "reported")
    return Ratio(claim, f"p50 {shown(ours)}", f"p50 {shown(model)}", [b / a for a, b in pairs], bar)


def bare(network: OnnxModel, image: Images, times: int = 40) -> float:
    """Return how long one prediction usually takes, seconds."""
    time.sleep(REST)
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        network.run(image)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
