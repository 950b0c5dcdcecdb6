import pytest

from stages.core.distributed import DistEnv, parse_tasks_per_node, read_dist_env

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
BATCH = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1"}
SRUN = BATCH | {"SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_NODEID": "0"}
UNEVEN = {"SLURM_PROCID": "4", "SLURM_NTASKS": "5", "SLURM_LOCALID": "0", "SLURM_STEP_TASKS_PER_NODE": "2(x2),1"}
KNOWN = (*TORCHRUN, *SRUN)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, DistEnv()),
        (TORCHRUN, DistEnv(5, 8, 1, 4)),
        (SRUN, DistEnv(1, 2, 1, 2)),
        (SRUN | UNEVEN | {"SLURM_NODEID": "2"}, DistEnv(4, 5, 0, 1)),
        (SRUN | TORCHRUN, DistEnv(5, 8, 1, 4)),
        (BATCH, DistEnv()),
        (SRUN | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, DistEnv()),
    ],
    ids=["alone", "torchrun", "srun", "srun, unevenly", "torchrun in srun", "a batch script without srun", "one task"],
)
def test_the_launcher_says_which_process_this_is(
    known: dict[str, str], expected: DistEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    assert read_dist_env() == expected
    assert read_dist_env().is_main == (expected.rank == 0)


@pytest.mark.parametrize(
    ("words", "expected"), [("4", [4]), ("2(x2)", [2, 2]), ("2(x2),1", [2, 2, 1]), ("1,3(x2)", [1, 3, 3])]
)
def test_sruns_words_for_the_tasks_of_each_machine(words: str, expected: list[int]) -> None:
    assert parse_tasks_per_node(words) == expected
