import mmap
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.arrays import ShardedArray
from stages.index.conditional import ConditionalIndex, stored
from stages.index.conditional.pages import AROUND, Bounded, Budget, Filed, maps, release
from stages.index.conditional.stored import allowed
from stages.index.matches import write_matches
from stages.train.features import Cache
from tests.conftest import ROOT
from tests.index.oracle import KINDS, drawn, table, wheres

MIB = 2**20
RESIDENT = """
import sys
import numpy as np
from stages.index.conditional import ConditionalIndex
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) >> 10
before = resident()
index = ConditionalIndex.load(sys.argv[1], memory_mb=int(sys.argv[2]))
found = index.query(np.ones(index.dimension), 5)
print(found.ids.tolist(), file=sys.stderr)
print(resident() - before)
"""


def mapped(folder: Path, rows: int, dimension: int = 512) -> np.ndarray:
    np.save(folder / "rows.npy", np.arange(rows * dimension, dtype=np.float32).reshape(rows, dimension))
    return np.load(folder / "rows.npy", mmap_mode="r")


class Released(list[int]):
    """Counts how often pages were given back."""

    def __call__(self, rows: object) -> None:
        self.append(len(list(maps(rows))))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_within_a_budget_answers_are_the_same_to_the_bit(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows = data.draw(st.integers(2, 90))
    vectors, labels = drawn(rng, rows, 9, data.draw(st.sampled_from(KINDS))), table(rng, rows)
    where, k = data.draw(wheres(labels)), data.draw(st.integers(1, rows + 3))
    queries = vectors[: data.draw(st.sampled_from([1, 2, 3, 9]))]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        index = ConditionalIndex.build(Path(folder) / "i", vectors, labels, ["Culture"])
        patch.setattr(stored, "allowed", lambda *_: data.draw(st.sampled_from([0, 100, 2000])))
        bounded = ConditionalIndex.load(Path(folder) / "i")
        assert isinstance(bounded.stored.vectors, Bounded)
        own, other = index.query(queries, k, where), bounded.query(queries, k, where)
        for one, files in ((index, "a"), (bounded, "b")):
            write_matches(one.stored, Path(folder) / files, 2)
            one.save(Path(folder) / f"{files}.saved")
        assert (Path(folder) / "a").read_bytes() == (Path(folder) / "b").read_bytes()
        files = sorted((Path(folder) / "a.saved").iterdir())
        assert all(file.read_bytes() == (Path(folder) / "b.saved" / file.name).read_bytes() for file in files)
    assert own.ids.tolist() == other.ids.tolist()
    assert own.scores.tobytes() == other.scores.tobytes()


def test_a_process_holds_no_more_than_its_budget(tmp_path: Path) -> None:
    grown = {}
    for rows in (10_000, 40_000):  # 20 and 78 MiB
        vectors = np.random.default_rng(0).standard_normal((rows, 512)).astype(np.float32)
        ConditionalIndex.build(tmp_path / str(rows), vectors, {}, [])
        for memory in (8, 4096):
            words = [sys.executable, "-c", RESIDENT, str(tmp_path / str(rows)), str(memory)]
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
            grown[rows, memory] = int(done.stdout), done.stderr
    assert grown[40_000, 4096][0] > 77, "all of it is mapped"
    assert grown[40_000, 8][0] < grown[10_000, 8][0] + 20, "what is held does not grow with the collection"
    assert grown[40_000, 8][0] < 60
    assert grown[40_000, 8][1] == grown[40_000, 4096][1]


def test_pages_are_given_back_once_the_budget_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Released()
    monkeypatch.setattr("stages.index.conditional.pages.release", seen)
    rows = Bounded(mapped(tmp_path, 100), Budget(10 * 2048))
    for start in range(0, 40, 5):
        assert (rows[start : start + 5] == mapped(tmp_path, 100)[start : start + 5]).all()
    assert seen == [1] * 3
    assert rows[np.array([99, 0])][:, 0].tolist() == [99 * 512, 0]
    assert seen == [1] * 5, f"a row alone costs {AROUND} bytes more than there are: one after the other"


def test_single_rows_of_a_file_are_read_and_not_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Released()
    monkeypatch.setattr("stages.index.conditional.pages.release", seen)
    rows = Filed(mapped(tmp_path, 100), Budget(1), tmp_path / "rows.npy", 128)
    for chosen in (np.array([7, 99, 0]), np.array([-1]), np.int64(5), np.array([[1, 2], [3, 4]]), np.array([], int)):
        assert (rows[chosen] == mapped(tmp_path, 100)[chosen]).all()
    assert seen == []


def test_who_reads_pages_that_were_given_back_finds_the_same(tmp_path: Path) -> None:
    rows = mapped(tmp_path, 50)
    view = rows[10:20]
    release(rows)
    assert (view[:, 0] == np.arange(10, 20) * 512).all()


def test_memory_that_is_on_no_disk_is_left_alone() -> None:
    rows = np.arange(6.0)
    release(rows)
    assert rows.sum() == 15


def test_the_maps_under_shards_are_found(tmp_path: Path) -> None:
    keys = np.array([b"a", b"b"], "S16")
    features = Cache(tmp_path, 2).rows(keys, lambda places: np.eye(2, dtype=np.float32)[places], "features")
    assert [type(found) for found in maps(features)] == [mmap.mmap]
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.full((3, 4), number))
    images = ShardedArray([tmp_path / "0.npy", tmp_path / "1.npy"], [0, 0, 1], [0, 1, 2])
    assert images[:][:, 0].tolist() == [0, 0, 1]
    assert len(list(maps(images))) == 2
    assert list(maps(np.ones(3))) == []


@pytest.mark.parametrize(
    ("memory_mb", "size", "has", "most"),
    [
        (10, 11 * MIB, 100 * MIB, 10 * MIB),
        (10, 10 * MIB, 100 * MIB, None),
        (0, 50 * MIB, 100 * MIB, None),
        (0, 51 * MIB, 100 * MIB, 50 * MIB),
        (0, 51 * MIB, None, None),
    ],
)
def test_what_fits_is_not_bounded(
    memory_mb: int, size: int, has: int | None, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "total_memory", lambda: has)
    assert allowed(memory_mb, size) == most


def test_an_index_says_how_much_it_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(stored, "allowed", lambda *given: asked.append(given))
    ConditionalIndex.build(tmp_path / "i", np.eye(3, dtype=np.float32), {}, [], {"memory_mb": 7})
    ConditionalIndex.load(tmp_path / "i", memory_mb=3)
    assert asked == [(7, 36), (3, 36)]
