import pytest

from stages import ranks
from stages.ranks import Rank, rank, tasks_per_node

KNOWN = (*ranks.TORCHRUN, *ranks.SRUN, ranks.STEP, ranks.TASKS, ranks.NODE)
TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
BATCH = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1"}
SRUN = BATCH | {"SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_NODEID": "0"}
UNEVEN = {"SLURM_PROCID": "4", "SLURM_NTASKS": "5", "SLURM_LOCALID": "0", "SLURM_STEP_TASKS_PER_NODE": "2(x2),1"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, Rank()),
        (TORCHRUN, Rank(5, 8, 1, 4)),
        (SRUN, Rank(1, 2, 1, 2)),
        (SRUN | UNEVEN | {"SLURM_NODEID": "2"}, Rank(4, 5, 0, 1)),
        (SRUN | TORCHRUN, Rank(5, 8, 1, 4)),
        (BATCH, Rank()),
        (SRUN | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, Rank()),
    ],
    ids=["alone", "torchrun", "srun", "srun, unevenly", "torchrun in srun", "a batch script without srun", "one task"],
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


@pytest.mark.parametrize(
    ("words", "expected"), [("4", [4]), ("2(x2)", [2, 2]), ("2(x2),1", [2, 2, 1]), ("1,3(x2)", [1, 3, 3])]
)
def test_sruns_words_for_the_tasks_of_each_machine(words: str, expected: list[int]) -> None:
    assert tasks_per_node(words) == expected
