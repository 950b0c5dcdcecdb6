from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.arrays import ShardedArray
from stages.train import features
from stages.train.features import KEY, Cache, home, image_keys


class Network:
    """Counts what it is asked; its feature of a picture is what the picture holds."""

    def __init__(self, values: list[int]) -> None:
        self.values, self.asked = np.array(values), 0

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        self.asked += len(positions)
        return np.repeat(self.values[positions, None], 3, 1).astype(np.float32)


def keys(values: list[int]) -> np.ndarray:
    return image_keys(np.array(values, np.uint8).reshape(-1, 1, 1, 1))


def ask(folder: Path, values: list[int]) -> tuple[ShardedArray, int]:
    network = Network(values)
    return Cache(folder, 3).rows(keys(values), network, "features"), network.asked


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=40), min_size=1, max_size=5), st.integers(1, 2000))
def test_everything_is_computed_once_and_found_in_order(questions: list[list[int]], shard: int) -> None:
    seen: set[int] = set()
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(features, "SHARD_BYTES", shard)
        patch.setattr(features, "BATCH", 7)
        for values in questions:
            rows, asked = ask(Path(folder), values)
            assert asked == len(set(values) - seen)
            assert rows.shape == (len(values), 3)
            assert rows[np.arange(len(values))][:, 1].tolist() == values
            assert rows.take(slice(1, len(values)))[:].shape == (len(values) - 1, 3)
            seen |= set(values)


def test_what_a_killed_process_left_half_done_is_not_there(tmp_path: Path) -> None:
    ask(tmp_path, [1, 2, 3])
    next(tmp_path.glob("*.keys.npy")).unlink()
    (tmp_path / ".000001.npy.partial").write_bytes(b"half")
    rows, asked = ask(tmp_path, [1, 2, 3, 4])
    assert asked == 4
    assert rows[:][:, 0].tolist() == [1, 2, 3, 4]


def test_a_part_that_is_gone_or_damaged_is_computed_again(tmp_path: Path) -> None:
    for value in (1, 2, 3, 4):
        ask(tmp_path, [value])
    next(tmp_path.glob("000000*")).unlink()
    (tmp_path / "000001.npy").write_bytes((tmp_path / "000001.npy").read_bytes()[:-4])
    (tmp_path / "000002.keys.npy").write_bytes(b"")
    rows, asked = ask(tmp_path, [1, 2, 3, 4])
    assert asked == 3
    assert rows[:][:, 0].tolist() == [1, 2, 3, 4]
    assert ask(tmp_path, [4, 3, 2, 1])[1] == 0


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    for value in (1, 2, 3):
        ask(tmp_path, [value])
    for file in tmp_path.glob("000001*"):
        file.unlink()
    last = (tmp_path / "000002.npy").read_bytes()
    ask(tmp_path, [4])
    assert (tmp_path / "000002.npy").read_bytes() == last
    assert ask(tmp_path, [3, 4])[0][:][:, 0].tolist() == [3, 4]


def test_only_what_is_asked_for_stays_open(tmp_path: Path) -> None:
    for value in range(20):
        ask(tmp_path, [value])
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    rows, _ = ask(tmp_path, [3, 7])
    assert len(rows._files) == 2
    assert before == 0 or len(list(Path("/proc/self/fd").iterdir())) <= before + 2


def test_processes_that_want_the_same_compute_it_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [count for _, count in pool.map(lambda _: ask(tmp_path, [5, 6, 7]), range(4))]
    assert sorted(asked) == [0, 0, 0, 3]


def test_a_network_that_answers_otherwise_gets_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    one, other = np.ones((2, 4), np.float32), np.full((2, 4), 7, np.float32)
    assert home("key", one) != home("key", other)
    assert home("key", one * 1.00001) == home("key", one), "rounding"
    assert home("key", other) == home("key", other)
    assert home("key", np.ones((2, 5), np.float32)) not in (home("key", one), home("key", other))


def test_features_whose_probe_is_gone_are_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    first = home("key", np.ones((2, 4), np.float32))
    ask(first, [1, 2])
    (first / "probe.npy").unlink()
    assert home("key", np.full((2, 4), 7, np.float32)) != first


def test_keys_tell_pictures_apart_and_fit() -> None:
    found = keys(list(range(256)))
    assert found.dtype == KEY
    assert len(set(found.tolist())) == 256
    assert np.array_equal(found[:5], keys([0, 1, 2, 3, 4]))


def test_features_that_were_not_written_are_told_not_taken_for_others(tmp_path: Path) -> None:
    ask(tmp_path, [1, 3])
    for wanted in ([2], [1, 2], [3, 200]):
        with pytest.raises(OSError, match=r"1 of \d features are not among those that were written"):
            features.locate(keys(wanted), Cache(tmp_path, 3)._shards())
