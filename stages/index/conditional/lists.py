"""FAISS's lists on disk: written vector by vector to their places, and read where they lie, in bounded memory."""

import mmap
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from stages.index.conditional.pages import Budget, Matrix
from stages.index.conditional.queries import Positions, Vectors
from stages.index.conditional.scatter import scatter
from stages.index.conditional.write import Watch

ID = 8  # bytes
NONE = b"sprs" + bytes(8)  # how a file of FAISS ends whose lists are empty


def write_lists(file: Path, trained: Any, vectors: Matrix, step: int, watch: Watch) -> None:
    """Write a trained IndexIVFFlat with all vectors (N x D) in its lists, as FAISS would, `step` of them at a time."""
    count = vectors.shape[0]
    starts, chosen = range(0, count, step), np.empty(count, np.int64)
    for start in watch(starts, len(starts), "assign"):
        chosen[start : start + step] = nearest(trained, vectors[start : start + step])
    sizes = np.bincount(chosen, minlength=trained.nlist)
    row = int(trained.code_size)
    begins = np.cumsum(sizes) - sizes
    order = np.argsort(chosen, kind="stable")
    within = np.empty(count, np.int64)
    within[order] = np.arange(count) - begins[chosen[order]]
    with file.open("wb") as out:
        out.write(head(trained, count) + described(sizes))
        lists = out.tell() + begins * (row + ID)
        for start in watch(starts, len(starts), "faiss"):
            some = slice(start, start + step)
            scatter(out, np.ascontiguousarray(vectors[some]), lists[chosen[some]] + within[some] * row)
            ids = np.arange(start, min(start + step, count))
            scatter(out, ids, (lists + sizes * row)[chosen[some]] + within[some] * ID)


def nearest(trained: Any, rows: Vectors) -> Positions:
    """Return the list that each row belongs in."""
    return np.asarray(trained.quantizer.assign(np.ascontiguousarray(rows), 1)).ravel()


def head(trained: Any, count: int) -> bytes:
    """Return what FAISS writes of an index with so many vectors before the sizes of its lists."""
    empty, trained.ntotal = trained.ntotal, count
    written: bytes = library().serialize_index(trained).tobytes()
    trained.ntotal = empty
    if not written.endswith(NONE):
        raise ValueError(f"FAISS {library().__version__} writes lists in another way; take one that this was made for")
    return written.removesuffix(NONE)


def described(sizes: Positions) -> bytes:
    """Return how many vectors each list holds, as FAISS writes it: of all lists, or of the few that hold any."""
    some = np.flatnonzero(sizes)
    if len(some) > len(sizes) // 2:
        return b"full" + np.array([len(sizes), *sizes], "<u8").tobytes()
    pairs = np.stack([some, sizes[some]], axis=1).ravel()
    return b"sprs" + np.array([len(pairs), *pairs], "<u8").tobytes()


class Lists:
    """A file of FAISS's, memory-mapped: `index` reads its lists where they lie."""

    def __init__(self, file: Path, budget: Budget | None) -> None:
        faiss = library()
        with file.open("rb") as opened:
            self.bytes = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = np.frombuffer(self.bytes, np.uint8)
        self.index: Any = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(self._view), len(self._view)))
        self._budget = budget
        if budget is not None:
            budget.share(self.bytes)

    def search(self, queries: Vectors, k: int, probes: int, selector: Any = None) -> Positions:
        """Return the positions (Q x k) of the best in the nearest lists, -1 where there are fewer."""
        faiss = library()
        chosen = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        parts = []
        step, size = self._share(probes)
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            if self._budget is not None:
                self._budget.spend(size * len(some))
            parts.append(np.asarray(self.index.search(some, k, params=chosen)[1]))
        return np.concatenate(parts)

    def _share(self, probes: int) -> tuple[int, int]:
        """Return how many queries are answered at a time, and what each reads, bytes."""
        each = min(probes, self.index.nlist) * len(self._view) // max(1, self.index.nlist)
        return (1 << 30, each) if self._budget is None else (max(1, self._budget.most // max(1, each)), each)


def library() -> ModuleType:
    """Import FAISS when it is first needed; raise ImportError saying how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError("approximate search needs FAISS: install faiss-cpu, or faiss-gpu-cu12 for a GPU") from error
    module: ModuleType = faiss
    return module
