"""A person's command line: selection, help, launchers, run folders."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from stages.config import hydra_entry
from stages.config.composition import Conf, choose_entries, compose
from stages.config.hydra_entry import _check_launcher, _count_concurrent_jobs, _expand_first_job
from stages.core.errors import UserError
from stages.core.system import cpu_count
from stages.core.workspace import CONF
from tests.conftest import python

LAUNCHERS = ("basic", "joblib", "slurm", "submitit_local", "submitit_slurm")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["models.base_cnn.train.lrr=1"], "models.base_cnn.train.lrr: unknown key; did you mean lr?"),
        (["profile=demoo"], "profile: unknown name 'demoo'; did you mean demo?"),
        (["model=base_cn"], "model: unknown name 'base_cn'; did you mean base_cnn?"),
        (["model=null"], f"model: not chosen; set model=… with one of {', '.join(Conf.read().names['models'])}"),
        (["from=runs/never"], "from: no folder runs/never"),
        (["models.base_cnn.train.lr=x"], "models.base_cnn.train.lr: 'x' is not a number"),
        (["--config-name", "other"], "the config is conf/config.yaml"),
        (["-m", "model=base_cnn,vg19"], "model: unknown name 'vg19'; did you mean vgg19?"),
        (["-m", "models.base_cnn.train.lrr=1,2"], "models.base_cnn.train.lrr: unknown key; did you mean lr?"),
        (["-m", "models.base_cnn.train.lr=0,1"], "models.base_cnn.train.lr: 0 is out of range; it must be above 0"),
        (["-m", "seed=1,2", "hydra/launcher=submitit_slurm"], "no srun here; on one machine set hydra/launcher=joblib"),
    ],
)
def test_a_mistake_is_answered_fast_and_leaves_nothing(words: list[str], message: str, project: Path) -> None:
    done = python("-X", "importtime", "-m", "stages.train", "model=base_cnn", *words, cwd=project, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Error executing job" not in done.stderr
    assert not (project / "runs").exists()
    loaded = {line.split()[-1] for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "omegaconf" in loaded
    assert not {"torch", "tensorflow", "keras", "mlflow", "onnxruntime"} & loaded, "seconds, before any word"


def test_what_a_stage_refuses_is_one_line(project: Path) -> None:
    done = python("-m", "stages.preprocess", "dataset=kaggle", cwd=project, check=False)
    assert done.returncode == 2
    assert done.stderr == "error data/raw/kaggle: not there yet; make it with `dvc repro fetch@kaggle`\n"


def test_help_says_what_the_stage_does_and_what_it_works_on() -> None:
    shown = python("-m", "stages.train", "--help").stdout
    assert "python -m stages.train model=NAME" in shown
    assert f"model is one of {', '.join(Conf.read().names['models'])}" in shown
    assert "base_cnn:" not in shown
    assert "base_cnn:" in python("-m", "stages.train", "model=base_cnn", "--help").stdout


def test_a_run_folder_may_need_quotes(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "run (best), or = so"
    python("-m", "stages.fetch", "dataset=kaggle", "profile=smoke", f'hydra.run.dir="{home}"', cwd=project)
    python("-m", "stages.preprocess", "dataset=kaggle", "profile=smoke", f'from="{home}"', cwd=project)
    assert (home / "data" / "prepared" / "kaggle" / "report.json").exists()
    assert not (project / "runs").exists()
    done = python("-m", "stages.preprocess", "dataset=kaggle", f"from={home}", cwd=project, check=False)
    assert done.returncode == 2
    assert "needs quotes of its own inside those of the shell" in done.stderr


def test_the_jobs_of_a_sweep_read_where_it_goes_on_from_and_so_does_what_follows(project: Path, tmp_path: Path) -> None:
    words = ("dataset=kaggle", "profile=smoke")
    python("-m", "stages.fetch", *words, f"hydra.run.dir={tmp_path / 'run'}", cwd=project)
    sizes = "datasets.kaggle.preprocess.size=32,48"
    done = python("-m", "stages.preprocess", *words, sizes, f"from={tmp_path / 'run'}", "-m", cwd=project)
    assert "done" in done.stdout
    jobs = sorted(project.glob("runs/*/*-preprocess-sweep/[01]"))
    assert [(job / "data" / "prepared" / "kaggle" / "report.json").exists() for job in jobs] == [True, True]
    assert not (tmp_path / "run" / "data" / "prepared").exists()
    python("-m", "stages.preprocess", *words, f"from={jobs[0]}", cwd=project)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_launcher_composes(name: str) -> None:
    words = [f"hydra/launcher={name}", "model=base_cnn", "hydra.job.name=train"]
    conf = Conf.read()
    chosen = choose_entries(conf, words, "model")
    config = compose(words, chosen, conf, conf.filter(chosen))
    target = str(config.hydra.launcher._target_)
    assert target.startswith(("hydra.", "hydra_plugins.hydra_")), "as released, none of our own"
    if "submitit" in target:
        assert ".submitit" in str(config.hydra.launcher._get_node("submitit_folder"))


def test_every_key_of_a_launcher_has_a_comment() -> None:
    for file in (CONF / "hydra" / "launcher").glob("*.yaml"):
        lines = file.read_text().split("\n\n", 1)[1].splitlines()
        assert all(" # " in line for line in lines), file


def settings(launcher: str, n_jobs: int | None = None) -> object:
    keys = {} if n_jobs is None else {"n_jobs": n_jobs}
    choices = {"hydra/launcher": launcher}
    return OmegaConf.create({"runtime": {"choices": choices}, "launcher": keys, "sweeper": {}})


def test_a_launcher_that_cannot_work_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hydra_entry, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="make cluster"):
        _check_launcher(settings("submitit_local"))
    with pytest.raises(UserError, match="0 jobs at a time; set 1 or more, or -1 for every core"):
        _check_launcher(settings("joblib", 0))
    _check_launcher(settings("joblib", -1))


def test_no_more_jobs_share_the_cores_than_there_are() -> None:
    assert _count_concurrent_jobs(settings("joblib", 8), 2) == 2
    assert _count_concurrent_jobs(settings("joblib", 2), 8) == 2
    assert _count_concurrent_jobs(settings("joblib", -1), 64) == cpu_count()
    assert _count_concurrent_jobs(settings("basic"), 8) == 1
    assert _count_concurrent_jobs(settings("submitit_local"), 3) == 3
    assert _count_concurrent_jobs(settings("slurm"), 3) == 1


def test_the_first_job_of_a_sweep() -> None:
    words = ["model=a", "x=1,2,3", "y=range(0,4)", "z=interval(0,1)", 'w="a,b"', "v=choice(p,q)"]
    first, count = _expand_first_job(words, Conf.read())
    assert first == ["model=a", "x=1", "y=0", "z=0.0", 'w="a,b"', "v=p"]
    assert count == 3 * 4 * 2
    with pytest.raises(UserError, match="quotes"):
        _expand_first_job(["x=a (b)"], Conf.read())
    with pytest.raises(UserError, match="profile: unknown name 'smok'; did you mean smoke"):
        _expand_first_job(["profile=smoke,smok"], Conf.read())
