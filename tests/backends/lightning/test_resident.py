import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.backends.lightning.resident import SHARE, on, settled, size, wanted
from stages.config.schema import LightningTrain
from stages.core.errors import UserError
from stages.preprocess.store import Split
from tests.conftest import replace, tree

PLAIN = tree().models["base_cnn"].train
assert isinstance(PLAIN, LightningTrain)
FREE = 10**9


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to have a GPU with a gigabyte free."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (FREE, 2 * FREE))


def split(count: int, kind: str = "uint8") -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 3, 3, 3)).astype(kind)
    return Split(images, rng.integers(0, 2, count), [str(number) for number in range(count)])


@settings(deadline=None)
@given(st.integers(1, 3000), st.sampled_from(["uint8", "float32"]), st.data())
def test_rows_are_those_of_the_split(count: int, kind: str, data: st.DataObject) -> None:
    plain = split(count, kind)
    held = on(torch.device("cpu"), plain)
    rows = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=40)), np.int64)
    assert len(held.images) == len(held) == count
    assert torch.equal(held.images[rows], torch.from_numpy(plain.images[rows]))
    assert torch.equal(held.labels[rows], torch.from_numpy(plain.labels[rows]))


@pytest.mark.usefixtures("gpu")
def test_auto_takes_a_share_of_what_is_free() -> None:
    assert wanted(int(SHARE * FREE), PLAIN)
    assert not wanted(int(SHARE * FREE) + 1, PLAIN)
    assert wanted(FREE, replace(PLAIN, on_device="always"))
    assert not wanted(1, replace(PLAIN, on_device="never"))
    assert not wanted(1, replace(PLAIN, accelerator="cpu"))
    with pytest.raises(UserError, match=r"on_device: always, but the pictures take 0.9 GB and the GPU has 0.9 GB free"):
        wanted(FREE + 1, replace(PLAIN, on_device="always"))


def test_on_a_cpu_auto_leaves_the_pictures_on_disk() -> None:
    parts = [split(4), split(2, "float32")]
    assert size(parts) == 27 * (4 + 2 * 4)
    assert settled(parts, replace(PLAIN, accelerator="cpu")) == parts
