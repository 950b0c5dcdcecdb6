"""The packed store: `<split>.npy` (uint8, N x H x W x 3, memory-mapped) and `manifest.parquet`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.errors import UserError
from stages.files import read_json

Images = npt.NDArray[np.uint8]

METADATA = "metadata.parquet"
SPLITS = ("train", "val", "test", "unlabelled")
"""In this order a store's pictures are numbered, where they are all taken together."""

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("row", pa.int32()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("remark", pa.string()),
        ("dropped", pa.string()),
    ]
)


class Writer:
    """Appends images to one .npy file; memory does not grow with their number."""

    def __init__(self, path: Path, size: int) -> None:
        self.count = 0
        self._size = size
        self._file: BinaryIO = path.open("wb")
        self._header()

    def _header(self) -> None:
        # NumPy pads the header so that the first axis may grow in place.
        shape = (self.count, self._size, self._size, 3)
        described = {"descr": "|u1", "fortran_order": False, "shape": shape}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, described)

    def append(self, image: Images) -> int:
        """Write one image (H x W x 3) and return its row."""
        self._file.write(np.ascontiguousarray(image).data)
        self.count += 1
        return self.count - 1

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._header()
        self._file.close()


@dataclass(frozen=True)
class Split:
    """Images (uint8, N x H x W x 3), or what was computed from them, and labels, in the order of the store."""

    images: Any
    labels: npt.NDArray[np.int64]
    paths: list[str]

    def __len__(self) -> int:
        return len(self.paths)


class Stacked:
    """Several arrays (uint8, N x H x W x 3) as one, each left on disk; `[…]` takes a slice or numbers, in any order."""

    def __init__(self, parts: Sequence[Images]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self.shape = (int(self._starts[-1]), *parts[0].shape[1:])

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, chosen: slice | npt.ArrayLike) -> Images:
        numbers = np.arange(len(self))[chosen] if isinstance(chosen, slice) else np.asarray(chosen, dtype=np.int64)
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"a picture out of range; there are {len(self)}")
        found = np.empty((*numbers.shape, *self.shape[1:]), np.uint8)
        for part, start in zip(self._parts, self._starts, strict=False):
            here = (numbers >= start) & (numbers < start + len(part))
            found[here] = part[numbers[here] - start]
        return found


@dataclass(frozen=True)
class Everything:
    """All pictures of a store, whatever their split, and what is known of them.

    `images` (uint8, N x H x W x 3) stay on disk; `metadata` has N rows of strings, `sizes` (N x 2) the width and height
    that each picture had, pixels.
    """

    images: Stacked
    metadata: pa.Table
    sizes: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Store:
    """A prepared dataset on disk."""

    folder: Path

    @cached_property
    def report(self) -> dict[str, Any]:
        """What preprocess found and did."""
        report: dict[str, Any] = read_json(self.folder / "report.json")
        return report

    @property
    def labels(self) -> list[str]:
        """Class names; a label's index is its class."""
        return list(self.report["labels"])

    @property
    def size(self) -> int:
        """Height and width of every image, pixels."""
        return int(self.report["size"])

    @property
    def fingerprint(self) -> str:
        """Names the content: every image, label and split, and how they were resized."""
        return str(self.report["fingerprint"])

    def split(self, name: str) -> Split:
        """Open a split; its images stay on disk until they are read. Unlabelled images have class -1."""
        file = self.folder / f"{name}.npy"
        if not file.exists():
            known = ", ".join(sorted(path.stem for path in self.folder.glob("*.npy")))
            raise UserError(f"{self.folder.name}: no split {name!r}; there are {known}")
        rows = pq.read_table(self.folder / "manifest.parquet", filters=[("split", "=", name), ("row", ">=", 0)])
        classes = {label: number for number, label in enumerate(self.labels)}
        labels = np.array([classes.get(label, -1) for label in rows["label"].to_pylist()], dtype=np.int64)
        return Split(np.load(file, mmap_mode="r"), labels, rows["path"].to_pylist())

    def everything(self) -> Everything:
        """Open all splits as one; where no metadata were published they are path, label and split."""
        manifest = pq.read_table(self.folder / "manifest.parquet", filters=[("row", ">=", 0)])
        split = pc.index_in(manifest["split"], pa.array(SPLITS))
        order = np.lexsort((manifest["row"].to_numpy(), split.to_numpy()))
        manifest = manifest.take(order)
        files = [self.folder / f"{name}.npy" for name in SPLITS]
        images = Stacked([np.load(file, mmap_mode="r") for file in files if file.exists()])
        published = self.folder / METADATA
        metadata = pq.read_table(published) if published.exists() else manifest.select(["path", "label", "split"])
        return Everything(images, metadata, np.stack([manifest["width"], manifest["height"]], axis=1))


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one row for every picture that was published, kept or dropped."""
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
