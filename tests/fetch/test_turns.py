import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.fetch.turns import Turns

Item = tuple[str | None, int]


def handed(items: list[Item], most: int | None, workers: int) -> tuple[Counter[Item], Counter[str | None]]:
    """Hand items to threads; return how often each was handed out, and the most of each group at a time."""
    turns = Turns(items, lambda item: item[0], most)
    lock = threading.Lock()
    seen: Counter[Item] = Counter()
    now: Counter[str | None] = Counter()
    top: Counter[str | None] = Counter()

    def work() -> None:
        for item in turns:
            with lock:
                seen[item] += 1
                now[item[0]] += 1
                top[item[0]] = max(top[item[0]], now[item[0]])
            time.sleep(0.0002)
            with lock:
                now[item[0]] -= 1

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            future.result(timeout=20)
    return seen, top


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40),
    most=st.one_of(st.none(), st.integers(1, 4)),
    workers=st.integers(1, 8),
)
def test_each_is_handed_out_once_and_no_group_is_overfull(
    groups: list[str | None], most: int | None, workers: int
) -> None:
    items = [(group, number) for number, group in enumerate(groups)]
    seen, top = handed(items, most, workers)
    assert seen == Counter(items)
    assert all(most is None or name is None or count <= most for name, count in top.items())


def test_a_full_group_holds_up_no_other() -> None:
    turns = Turns([("a", 0), ("a", 1), ("b", 2)], lambda item: item[0], 1)
    one, other = iter(turns), iter(turns)
    assert {next(one), next(other)} == {("a", 0), ("b", 2)}


@pytest.mark.parametrize("waiting", [1, 3])
def test_who_waits_is_sent_home_when_it_closes(waiting: int) -> None:
    turns = Turns([("a", n) for n in range(9)], lambda item: item[0], 1)
    holder = iter(turns)
    next(holder)
    with ThreadPoolExecutor(waiting) as pool:
        futures = [pool.submit(list, turns) for _ in range(waiting)]
        time.sleep(0.05)
        turns.close()
        assert [future.result(timeout=5) for future in futures] == [[]] * waiting
