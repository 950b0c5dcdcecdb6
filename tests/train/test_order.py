import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.train.order import Order, Shared


@given(st.integers(1, 200), st.integers(1, 32), st.integers(0, 9))
def test_an_epoch_sees_every_image_once(count: int, batch_size: int, epoch: int) -> None:
    order = Order(count, batch_size, seed=5)
    order.set_epoch(epoch)
    batches = list(order)
    assert len(batches) == len(order)
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert count == 1 or batch_size == 1 or min(map(len, batches)) > 1, "BatchNorm cannot train on one image"


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def rows(seed: int, epoch: int) -> list[int]:
        order = Order(50, 8, seed)
        order.set_epoch(epoch)
        return [int(row) for batch in order for row in batch]

    assert rows(1, 3) == rows(1, 3)
    assert len({tuple(rows(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_validation_is_in_order() -> None:
    assert np.concatenate(list(Order(10, 3))).tolist() == list(range(10))


@given(st.integers(1, 200), st.integers(1, 32), st.integers(1, 5), st.integers(1, 3))
def test_together_the_devices_see_every_image_once(count: int, batch_size: int, size: int, least: int) -> None:
    order = Order(count, batch_size, seed=5)
    parts = [list(Shared(order, number, size, least)) for number in range(size)]
    assert Shared(order, 0, size, least).filled() == sum(part.padding for device in parts for part in device)
    for number, rows in enumerate(order):
        mine = [parts[device][number] for device in range(size)]
        assert np.concatenate([part.rows[: len(part.rows) - part.padding] for part in mine]).tolist() == rows.tolist()
        assert {part.whole for part in mine} == {len(rows)}
        assert size == 1 or min(len(part.rows) for part in mine) >= least
        assert set(np.concatenate([part.rows for part in mine])) == set(rows)


def test_one_device_has_every_batch_as_it_is() -> None:
    order = Order(21, 5, seed=1)
    assert all(np.array_equal(part.rows, rows) for part, rows in zip(Shared(order), order, strict=True))
