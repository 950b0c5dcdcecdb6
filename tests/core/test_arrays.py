import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core import arrays
from stages.core.arrays import ShardedArray


def written(folder: Path, lengths: list[int]) -> tuple[list[Path], np.ndarray]:
    whole = np.arange(sum(lengths) * 12, dtype=np.uint8).reshape(-1, 2, 2, 3)
    files = [folder / f"{number}.npy" for number in range(len(lengths))]
    for file, part in zip(files, np.split(whole, np.cumsum(lengths)[:-1]), strict=True):
        np.save(file, part)
    return files, whole


def sharded(files: list[Path], lengths: list[int]) -> ShardedArray:
    return ShardedArray(
        files, np.repeat(np.arange(len(lengths)), lengths), np.concatenate([np.arange(n) for n in lengths])
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4), data=st.data())
def test_arrays_on_disk_are_one(lengths: list[int], data: st.DataObject, tmp_path: Path) -> None:
    files, whole = written(tmp_path, lengths)
    one = sharded(files, lengths)
    assert (len(one), one.shape, one.dtype) == (len(whole), whole.shape, whole.dtype)
    numbers = data.draw(st.lists(st.integers(-len(whole), len(whole) - 1), max_size=9)) if len(whole) else []
    indices = np.array(numbers, np.int64)
    assert np.array_equal(one[indices], whole[indices])
    start, stop = data.draw(st.integers(-9, 9)), data.draw(st.integers(-9, 9))
    assert np.array_equal(one[start:stop:2], whole[start:stop:2])
    assert np.array_equal(one.take(slice(start, stop))[:], whole[start:stop])
    assert np.array_equal(np.array(list(one)).reshape(whole.shape), whole)
    assert np.array_equal(pickle.loads(pickle.dumps(one))[:], whole)
    for number in numbers:
        assert np.array_equal(one[number], whole[number])
    with pytest.raises(IndexError):
        one[[len(whole)]]


def test_what_is_read_is_a_copy(tmp_path: Path) -> None:
    files, whole = written(tmp_path, [3, 2])
    one = sharded(files, [3, 2])
    one[0][:] = 0
    one[[1]][:] = 0
    assert np.array_equal(one[:], whole)


def test_few_files_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAX_OPEN_FILES", 2)
    files, whole = written(tmp_path, [1] * 6)
    one = sharded(files, [1] * 6)
    assert np.array_equal(one[[5, 0, 3, 0, 2]], whole[[5, 0, 3, 0, 2]])
    assert len(one._mapped) == 2


def test_threads_may_share_it_though_few_files_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAX_OPEN_FILES", 2)
    files, whole = written(tmp_path, [1] * 20)
    one = sharded(files, [1] * 20)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda n: np.array_equal(one[n % 20], whole[n % 20]), range(2000)))
