"""Preparing data: packing against torchvision's ImageFolder, and an epoch over the store against decoding."""

import tempfile
import zipfile
from itertools import count
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.timing import Ratio, compare
from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import Preprocess, Synthetic
from stages.core.archive import write_zip
from stages.core.files import write_json
from stages.core.system import cpu_count
from stages.layouts import kaggle
from stages.preprocess.pack import pack as prepare
from stages.preprocess.report import report
from stages.preprocess.store import Store
from stages.train.order import Order

SIZE = 224
STORES = "stores"
CORES = cpu_count()


def preparing() -> list[Ratio]:
    """Pack photographs of two sizes; read what was packed of the smaller."""
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        return [
            packing(photos, 600, 500, 375, "≥ 1.15"),
            epoch(photos),
            packing(Path(scratch) / "large", 120, 2000, 1500, "≥ 2"),
        ]


def archive(folder: Path, images: int, width: int, height: int) -> Path:
    """Write a Kaggle-layout zip of JPEGs of one size, and the same pictures as a folder for each class."""
    spec = Synthetic(
        images=images, unlabelled=0, corrupt=0, classes=2, smallest=min(width, height), largest=max(width, height)
    )
    drawn = kaggle.draw(folder, spec, seed=0)
    files = []
    with zipfile.ZipFile(drawn) as opened:
        for name in opened.namelist():
            data = resized(opened.read(name), width, height)
            files.append((name, data))
            target = folder / "images" / name.split("/")[1][:3] / name.split("/")[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    write_zip(drawn, files)
    return drawn


def resized(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG at another size."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(data)).resize((width, height)).save(file, "JPEG", quality=90)
    return file.getvalue()


def config() -> Preprocess:
    """Return the preprocess section at 224 pixels."""
    return validate(compose_tree([f"datasets.kaggle.preprocess.size={SIZE}"])).datasets["kaggle"].preprocess


def packing(folder: Path, images: int, width: int, height: int, bar: str) -> Ratio:
    """Decode, resize and pack, against ImageFolder + DataLoader with the same pixels and as many workers."""
    folder.mkdir()
    raw = archive(folder, images, width, height)
    entries = kaggle.entries(raw, folder / "nested")
    transform = v2.Compose([v2.Resize((SIZE, SIZE)), v2.PILToTensor()])
    loader = DataLoader(ImageFolder(folder / "images", transform), batch_size=32, num_workers=CORES)

    section, rounds = config(), count()

    def ours() -> None:
        target = folder / STORES / str(next(rounds))  # a fresh folder, as the stage has: truncating a store takes time
        target.mkdir(parents=True)
        write_json(target / "report.json", report("kaggle", "synthetic", prepare(entries, section, target), section))

    def peer() -> int:
        return sum(len(images) for images, _ in loader)

    claim = f"pack {width}×{height} JPEGs vs ImageFolder + DataLoader"
    return compare(claim, ours, peer, (images, "images"), bar, rounds=5)


def epoch(folder: Path) -> Ratio:
    """Read an epoch of shuffled batches from the store, against decoding it with ImageFolder + DataLoader."""
    transform = v2.Compose([v2.Resize((SIZE, SIZE)), v2.PILToTensor()])
    loader = DataLoader(ImageFolder(folder / "images", transform), batch_size=32, num_workers=CORES, shuffle=True)
    images = Store(folder / STORES / "0").everything().images

    def ours() -> int:
        return sum(len(torch.from_numpy(images[rows])) for rows in Order(len(images), 32, seed=0))

    def peer() -> int:
        return sum(len(batch) for batch, _ in loader)

    return compare("an epoch over the store vs decoding it", ours, peer, (len(images), "images"), "≥ 20")
