"""The launchers' configs, and what a sweep's folder says about its jobs."""

import pickle
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from stages.config import CONF
from stages.errors import UserError
from stages.files import write_json
from stages.job import Job
from stages.machine import SIDE_BY_SIDE, cores
from stages.place import Place
from stages.sweeps.launch import Sturdy
from stages.sweeps.slurm import close
from stages.sweeps.sweep import STURDY, require_jobs, require_launcher
from stages.sweeps.swept import RESULT, Swept, jobs, overrides, reason, story
from stages.train.identity import identity
from tests.conftest import tree

LAUNCHERS = ("basic", "joblib", "local", "slurm", "submitit_local", "submitit_slurm")


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_launcher_composes_and_is_run_by_a_sturdy_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTIARY_STAGE", "train")
    words = [f"hydra/launcher={name}", "model=base_cnn"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=words, return_hydra_config=True)
    assert config.hydra.launcher._target_ in STURDY
    if name not in ("basic", "joblib"):
        assert ".submitit" in str(config.hydra.launcher._get_node("submitit_folder"))


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_every_key_of_a_launcher_has_a_comment(name: str) -> None:
    lines = (CONF / "hydra" / "launcher" / f"{name}.yaml").read_text().split("\n\n", 1)[1].splitlines()
    assert all(" # " in line for line in lines)


@pytest.mark.parametrize("name", ["slurm", "submitit_slurm"])
def test_a_launcher_that_cannot_work_here_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="no srun here; on one machine say hydra/launcher=local"):
        require_launcher(name)
    monkeypatch.setattr("stages.sweeps.sweep.find_spec", lambda _: None)
    with pytest.raises(UserError, match="make cluster"):
        require_launcher(name)
    require_launcher("joblib")


def test_jobs_side_by_side_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = cores()
    monkeypatch.setenv(SIDE_BY_SIDE, str(alone))
    assert cores() == 1
    monkeypatch.setenv(SIDE_BY_SIDE, str(2 * alone))
    assert cores() == 1


def test_no_more_jobs_share_the_cores_than_there_are() -> None:
    assert Pool(n_jobs=8).side_by_side(2) == 2
    assert Pool(n_jobs=2).side_by_side(8) == 2
    for count in (0, None):
        with pytest.raises(UserError, match="say 1 or more, or -1 for every core"):
            require_jobs(OmegaConf.create({"n_jobs": count}))


def test_an_error_outside_of_the_stage_is_told_at_once(tmp_path: Path) -> None:
    (job, *_) = four(tmp_path)
    pickled = tmp_path / "0_0_result.pkl"
    pickled.write_bytes(pickle.dumps(("error", "Traceback (most recent call last):\n  …\nKeyError: 'moon'\n")))
    begun = time.monotonic()
    close(SimpleNamespace(paths=SimpleNamespace(result_pickle=pickled, stderr=tmp_path / "0_0.err")), job)
    assert time.monotonic() - begun < 30
    assert reason(job.folder) == "KeyError: 'moon'"


def test_a_result_counts_for_the_key_that_it_follows_from(tmp_path: Path) -> None:
    job = Swept(tmp_path / "0", ["model=a", "hydra.verbose=true"], "k")
    assert job.prepare()
    assert not job.done
    assert reason(job.folder) == "it did not end"
    write_json(job.folder / RESULT, {"monitor": "min.loss", "metrics": {"loss": 0.5}})
    assert job.done
    assert job.value() == 0.5
    assert overrides(job.folder) == "model=a"
    assert not Swept(job.folder, job.overrides, "other").done
    assert not Swept(job.folder, job.overrides, None).done
    assert job.prepare()
    assert not job.ended
    assert jobs(tmp_path) == [job.folder]


def test_a_job_whose_config_is_wrong_does_not_run(tmp_path: Path) -> None:
    job = Swept(tmp_path / "0", ["lr=-1"], None, story(UserError("lr: below 0")))
    assert not job.prepare()
    assert job.ended
    assert job.value() is None
    assert reason(job.folder) == "lr: below 0"


class Pool(Sturdy):
    """A launcher whose pool dies of a job: of those launched at once, the first two have begun by then."""

    inner = ""
    deadly = ("1",)

    def attempt(self, jobs: object) -> Exception | None:
        assert isinstance(jobs, list)
        for job in jobs[:2]:
            (job.folder / ".hydra").mkdir(exist_ok=True)
        if any(job.folder.name in self.deadly for job in jobs):
            return RuntimeError("a worker died")
        for job in jobs:
            write_json(job.folder / RESULT, {"monitor": "min.loss", "metrics": {"loss": 1.0}})
        return None


def four(tmp_path: Path) -> list[Swept]:
    found = [Swept(tmp_path / str(number), [], "k") for number in range(4)]
    assert all(job.prepare() for job in found)
    return found


def test_of_a_pool_that_dies_only_the_deadly_job_fails(tmp_path: Path) -> None:
    found = four(tmp_path)
    Pool().run(found)
    assert [job.value() for job in found] == [1.0, None, 1.0, 1.0]
    assert reason(found[1].folder).startswith("killed")


def test_a_launcher_that_starts_nothing_is_not_asked_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = four(tmp_path)
    monkeypatch.setattr(Pool, "attempt", lambda *_: OSError("no queue"))
    Pool().run(found)
    assert {reason(job.folder) for job in found} == {"OSError: no queue"}


def test_a_model_follows_from_its_values_and_its_data(prepared: Path, tmp_path: Path) -> None:
    home = tmp_path / "data" / "prepared"
    home.mkdir(parents=True)
    (home / "kaggle").symlink_to(prepared)
    place = Place(tmp_path, tmp_path)

    def key(*words: str) -> str:
        return identity(Job("train", tree(*words), "base_cnn", place))

    assert key() == key("models.base_cnn.evaluate.bins=5")
    assert len({key(), key("models.base_cnn.train.lr=1"), key("seed=1")}) == 3
