import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.train.order import Order


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
