"""The packed store, in shards: `images/<shard>.npy` (uint8, N x H x W x 3) and its `manifest/<shard>.parquet`.

A shard holds pictures as they were published, whatever their split; the manifest says which split each is in.
"""

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

from stages.core.arrays import ShardedArray
from stages.core.errors import UserError
from stages.core.files import read_json

Images = npt.NDArray[np.uint8]

IMAGES, MANIFEST = "images/{:06d}.npy", "manifest/{:06d}.parquet"
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


@dataclass(frozen=True)
class Everything:
    """All pictures of a store, whatever their split, and what is known of them.

    `images` (uint8, N x H x W x 3) stay on disk; `metadata` has N rows of strings, `sizes` (N x 2) the width and height
    that each picture had, pixels.
    """

    images: Any
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

    @cached_property
    def _kept(self) -> pa.Table:
        """The manifest's rows of what was kept, in the order of publication, and the shard that each lies in."""
        tables = [pq.read_table(file) for file in sorted((self.folder / MANIFEST).parent.iterdir())]
        shard = np.repeat(np.arange(len(tables), dtype=np.int32), [len(table) for table in tables])
        whole = pa.concat_tables(tables).append_column("shard", pa.array(shard))
        return whole.filter(pc.is_valid(whole["row"]))

    def _images(self, kept: pa.Table) -> ShardedArray:
        """Open the images of rows of the manifest."""
        files = sorted((self.folder / IMAGES).parent.iterdir())
        return ShardedArray(files, kept["shard"].to_numpy(), kept["row"].to_numpy())

    def split(self, name: str) -> Split:
        """Open a split; its images stay on disk until they are read. Unlabelled images have class -1."""
        known = [split for split in SPLITS if self.report["splits"].get(split)]
        if name not in known:
            raise UserError(f"{self.folder.name}: no split {name!r}; there are {', '.join(known)}")
        kept = self._kept.filter(pc.equal(self._kept["split"], name))
        labels = pc.index_in(kept["label"], pa.array(self.labels, pa.string())).fill_null(-1)
        return Split(self._images(kept), labels.to_numpy().astype(np.int64), kept["path"].to_pylist())

    def everything(self) -> Everything:
        """Open all splits as one; where no metadata were published they are path, label and split."""
        kept = self._kept.take(by_split(self._kept))
        published = self.folder / METADATA
        metadata = pq.read_table(published) if published.exists() else kept.select(["path", "label", "split"])
        return Everything(self._images(kept), metadata, np.stack([kept["width"], kept["height"]], axis=1))


def by_split(kept: pa.Table) -> npt.NDArray[np.int64]:
    """Return the order in which a store's pictures are numbered: split by split, each as published."""
    split = pc.index_in(kept["split"], pa.array(SPLITS))
    return np.argsort(split.to_numpy(), kind="stable")
