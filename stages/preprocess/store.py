"""The packed store: `<split>.npy` (uint8, N x H x W x 3, memory-mapped) and `manifest.parquet`."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import UserError
from stages.files import read_json

Images = npt.NDArray[np.uint8]

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
        self._file.write(image.tobytes())
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


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one row for every picture that was published, kept or dropped."""
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
