import pytest

from stages import ranks
from stages.ranks import Rank, rank

KNOWN = (*ranks.TORCHRUN, *ranks.SRUN, ranks.STEP)
TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
BATCH = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1", "SLURM_NTASKS_PER_NODE": "2"}
SRUN = BATCH | {"SLURM_STEP_ID": "0"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, Rank()),
        (TORCHRUN, Rank(5, 8, 1, 4)),
        (SRUN, Rank(1, 2, 1, 2)),
        (SRUN | TORCHRUN, Rank(5, 8, 1, 4)),
        (BATCH, Rank()),
        (SRUN | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, Rank()),
    ],
    ids=["alone", "torchrun", "srun", "torchrun in srun", "a batch script without srun", "one task"],
)
def test_the_launcher_says_which_process_this_is(
    known: dict[str, str], expected: Rank, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    assert rank() == expected
    assert rank().leads == (expected.number == 0)
