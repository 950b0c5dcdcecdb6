import io

import numpy as np
import pytest

from stages.index.conditional.scatter import scatter


class Counting(io.BytesIO):
    writes = 0

    def write(self, data: object) -> int:
        self.writes += 1
        return super().write(data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("places", "writes"), [([0, 1, 2, 3], 1), ([3, 0, 2, 1], 1), ([5, 0, 1, 6], 2), ([6, 0, 4, 2], 4), ([3], 1)]
)
def test_rows_go_to_their_places_and_neighbours_together(places: list[int], writes: int) -> None:
    rows = np.arange(3 * len(places), dtype=np.float32).reshape(-1, 3)
    file = Counting(bytes(12 * 8))
    scatter(file, rows, 12 * np.array(places))
    written = np.frombuffer(file.getvalue(), np.float32).reshape(-1, 3)
    assert (written[places] == rows).all()
    assert written.any(axis=1).sum() == len(places)
    assert file.writes == writes
