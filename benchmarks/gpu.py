"""`python -m benchmarks.gpu`: training on a GPU, against a loop whose data are on it already and a plain one.

All train the same network on the same drawn pictures. The first epoch, in which kernels are chosen and compiled, does
not count; a time is taken when the GPU is done.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.table import Table

from benchmarks.gpu_data import Pictures, draw
from benchmarks.gpu_loops import Clock, bare, plain
from benchmarks.gpu_runs import documented, weights_twice
from stages.backends.lightning.bar import Bar
from stages.backends.lightning.data import Data
from stages.backends.lightning.fit import make_module, quieten
from stages.backends.lightning.hardware import device, precision, settle
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import LightningTrain
from stages.core.console import console
from stages.core.files import write_text
from stages.train.model import build

PAGE = Path(__file__).with_name("gpu.md")
HEAD = ("what", "images/s", "spread", "of the loop on the device", "bar", "memory of the GPU")
NETWORKS = ("base_cnn", "resnet50")
ON_DEVICE = "a bare loop, data on the device"


@dataclass(frozen=True)
class Rate:
    """What was timed, the images/s of each epoch that counts, and the most memory it took on the GPU, bytes."""

    what: str
    rates: list[float]
    memory: int
    bar: str = ""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--images", type=int, default=8192, help="pictures to draw")
    parser.add_argument("--size", type=int, default=224, help="height and width, pixels")
    parser.add_argument("--batch", type=int, default=128, help="images in a batch")
    parser.add_argument("--epochs", type=int, default=5, help="epochs that count")
    parser.add_argument("--documented", type=int, default=2, help="epochs of the documented run of base_cnn")
    parser.add_argument("--compile", choices=("always", "never"), default="always")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    return parser.parse_args()


def main() -> None:
    """Draw, train each way, print; write the page where asked to."""
    given = arguments()
    quieten()
    with tempfile.TemporaryDirectory() as folder:
        pictures = draw(Path(folder), given.images, given.size)
        rows = [row for name in NETWORKS for row in throughput(name, pictures, given)]
        rows.append(documented_row(pictures, given))
        rows.append(repeated_row(pictures, given))
    table = Table(*HEAD)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if given.write:
        write_text(PAGE, markdown(rows, given))


def config(name: str, given: argparse.Namespace) -> LightningTrain:
    """Return a model's documented values, from fresh weights, nothing frozen, with what pays off on a GPU."""
    train = validate(compose_tree(["profile=documented"])).models[name].train
    assert isinstance(train, LightningTrain)
    accelerator = "cpu" if given.device == "cpu" else "gpu"
    changed = train.model_copy(
        update={"accelerator": accelerator, "weights": "none", "freeze": "none", "compile": given.compile}
    )
    return changed.model_copy(update={"batch_size": given.batch, "epochs": given.epochs + 1})


def throughput(name: str, pictures: Pictures, given: argparse.Namespace) -> list[tuple[str, ...]]:
    """Time the ways to train a network; each row says its share of the bare loop whose data are on the device."""
    train = config(name, given)
    settle(train)
    resident, streamed = (train.model_copy(update={"on_device": where}) for where in ("always", "never"))
    ways: dict[str, tuple[Callable[[], list[float]], str]] = {
        ON_DEVICE: (partial(bare, train, pictures), ""),
        "Lightning, data on the device": (partial(lightning, resident, pictures), "≥ 0.9"),
        "Lightning, streamed from the store": (partial(lightning, streamed, pictures), "≥ 0.9"),
        "a plain loop: a file decoded for each image, fp32": (partial(plain, train, pictures), ""),
    }
    on_gpu = device(train).type == "cuda"
    found = [timed(what, way, len(pictures.train), bar, on_gpu) for what, (way, bar) in ways.items()]
    peer = median(found[0].rates)
    return [cells(name, rate, peer) for rate in found]


def timed(what: str, way: Callable[[], list[float]], count: int, bar: str, on_gpu: bool) -> Rate:
    """Train one way; the first epoch does not count."""
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    seconds = way()[1:]
    memory = torch.cuda.max_memory_allocated() if on_gpu else 0
    return Rate(what, [count / epoch for epoch in seconds], memory, bar)


def lightning(train: LightningTrain, pictures: Pictures) -> list[float]:
    """Return the seconds of each epoch of the LightningModule, as the train stage runs it."""
    clock, where = Clock(), device(train)
    network = build("lightning", train.network, 2, pictures.size, [])
    module = make_module(network, train, compiled=train.compile == "always")
    callbacks: list[Callback] = [Bar(), clock]
    trainer = pl.Trainer(
        max_epochs=train.epochs, accelerator=where.type, devices=1, precision=precision(train), callbacks=callbacks,
        logger=False, enable_checkpointing=False, enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(module, datamodule=Data([pictures.train], pictures.val, train))
    return clock.seconds


def cells(name: str, rate: Rate, peer: float) -> tuple[str, ...]:
    """Return a row of the table."""
    middle, low, high = median(rate.rates), min(rate.rates), max(rate.rates)
    share = f"{middle / peer:.2f}×"
    spread = f"{images(low)}–{images(high)}"
    return f"{name}: {rate.what}", images(middle), spread, share, rate.bar, gigabytes(rate.memory)


def images(rate: float) -> str:
    """Say how many images a second."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def gigabytes(memory: int) -> str:
    """Say bytes; none where there is no GPU."""
    return f"{memory / 2**30:.1f} GB" if memory else "–"


def documented_row(pictures: Pictures, given: argparse.Namespace) -> tuple[str, ...]:
    """Return the row of the documented run of base_cnn: its batch of 32, validation, checkpoints and start included."""
    train = config("base_cnn", given).model_copy(
        update={"batch_size": 32, "epochs": given.documented, "compile": "auto"}
    )
    rate = documented(train, pictures)
    what = f"base_cnn: its documented run, {given.documented} epochs, everything included"
    return what, images(rate), "", "", "", ""


def repeated_row(pictures: Pictures, given: argparse.Namespace) -> tuple[str, ...]:
    """Return the row that says whether deterministic=true gives the same weights twice."""
    train = config("base_cnn", given).model_copy(update={"epochs": 1, "deterministic": True})
    one, other = weights_twice(train, pictures)
    verdict = "equal" if one == other else f"differ: {one[:12]}, {other[:12]}"
    return "base_cnn: weights of two runs with deterministic=true", verdict, "", "", "equal", ""


def markdown(rows: list[tuple[str, ...]], given: argparse.Namespace) -> str:
    """Return the page."""
    lines = "\n".join(f"| {' | '.join(row)} |" for row in [HEAD, ("---",) * len(HEAD), *rows])
    return (
        "# Training on a GPU\n\n`python -m benchmarks.gpu --write` writes this page. "
        f"{given.images:,} drawn pictures of {given.size} pixels, batches of {given.batch}, medians and spread of "
        f"{given.epochs} epochs after one that does not count.\n\nMachine: {machine(given.device)}.\n\n{lines}\n"
    )


def machine(kind: str) -> str:
    """Describe the device."""
    if kind == "cpu":
        return f"no GPU, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"
    about = torch.cuda.get_device_properties(0)
    capability = f"compute capability {about.major}.{about.minor}"
    memory = f"{about.total_memory / 2**30:.0f} GB"
    return f"{about.name}, {memory}, {capability}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    main()
