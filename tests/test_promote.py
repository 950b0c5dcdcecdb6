import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from stages import promote
from stages.config.composition import Conf, compose_tree
from stages.core.errors import UserError
from stages.core.files import write_json, write_text
from tests.conftest import python

RUN = Path("runs/2026-01-31/12-00-00-train")
CONFIG = "conf/config.yaml"
BASE = "conf/models/base_cnn.yaml"
DEMO = "conf/profile/demo.yaml"
RESNET = "conf/models/resnet50.yaml"


@pytest.fixture
def home(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project in which this process works."""
    monkeypatch.chdir(project)
    monkeypatch.setattr("stages.compose.compose_tree", lambda _: compose_tree(conf=Conf.read(project / "conf")))
    monkeypatch.setattr(promote, "CONF", project / "conf")
    monkeypatch.setattr(promote, "CONFIG", project / "conf" / "config.yaml")
    return project


def write_run(folder: Path, *overrides: str, stage: str = "train") -> Path:
    """Writes what Hydra leaves of a run."""
    write_text(folder / ".hydra" / stage / "overrides.yaml", OmegaConf.to_yaml(list(overrides)))
    return folder


def read_texts(project: Path) -> dict[str, str]:
    """Reads what a promotion may write."""
    files = [*sorted((project / "conf").rglob("*")), project / "params.yaml"]
    return {str(file.relative_to(project)): file.read_text() for file in files if file.is_file()}


def new_lines(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Lists the lines of each file in conf/ that are new, without their comments."""
    lines = {}
    for name in sorted({*after} - {"params.yaml"}):
        new = [line for line in after[name].splitlines() if line not in before[name].splitlines()]
        lines |= {name: "; ".join(line.partition(" #")[0].strip() for line in new)} if new else {}
    return lines


@pytest.mark.parametrize(
    ("overrides", "written"),
    [
        ("models.base_cnn.train.lr=1e-4", {BASE: "lr: 0.0001"}),
        ("models.resnet50.train.epochs=5 ++models.xception.train.epochs=9", {
            DEMO: "train: {network: {momentum: 0.9}, epochs: 9}",
            RESNET: "epochs: 5",
        }),
        ("profile=documented models.base_cnn.train.epochs=9", {BASE: "epochs: 9", CONFIG: "- profile: documented"}),
        ("profile=documented models.base_cnn.train.epochs=10", {CONFIG: "- profile: documented"}),
        ("+models.base_cnn.train.augment={hflip:0.25,crop:0.9} models.base_cnn.train.weights='./w'", {
            BASE: 'weights: "./w"; augment: {crop: 0.9}',
            DEMO: "train: {network: {dropout: 0.0}, epochs: 8, augment: {hflip: 0.25}}",
        }),
        ("models.base_cnn.train.optimizer.betas=[0.8,0.9] models.base_cnn.evaluate.bins=12 trainer.deterministic=true "
         "datasets.petimages.fetch.layout.strict_jfif=true bento.threads=4 models.resnet50.train.lr=0.005", {
            BASE: "optimizer: {betas: [0.8, 0.9]}; evaluate: {bins: 12}",
            RESNET: "lr: 0.005; strategy: none",
            "conf/datasets/petimages.yaml": "strict_jfif: true",
            "conf/trainer/default.yaml": "deterministic: true",
            "conf/bento/default.yaml": "threads: 4",
        }),
        ("seed=7 models.vgg19.train.seed=1337 models.base_cnn.train.threads=${trainer.devices} "
         "models.base_cnn.search.space={optimizer.name:[adam]}", {
            BASE: 'threads: "${trainer.devices}"; search: {space: {optimizer.name: [adam]}}',
            CONFIG: "seed: 7",
            "conf/models/vgg19.yaml": "seed: 1337",
        }),
        ("models.base_cnn.train.code=stages/networks/vgg19.py", {BASE: "code: stages/networks/vgg19.py"}),
        ("model=base_cnn dataset=kaggle from=x +sweep=base_cnn hydra/launcher=joblib hydra.verbose=false", {}),
        ("models@models.base_cnn=base_cnn models.base_cnn.train.lr=1e-3 seed=1337 trainer=default profile=demo", {}),
    ],
)  # fmt: skip
def test_a_value_goes_where_it_takes_effect(
    overrides: str, written: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_texts(home)
    promote.promote(str(write_run(home / RUN, *overrides.split())))
    output = capsys.readouterr().out
    assert new_lines(before, read_texts(home)) == written
    assert ("next: dvc repro" in output) == bool(written)
    assert ("conf/ already says what" in output) == (not written)
    assert all(f" in {file}\n" in output for file in written)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["~models.base_cnn.train.lr"], "~models.base_cnn.train.lr: a deletion is no value to write"),
        (["+models@models.mini=mini"], "put mini.yaml into conf/models/ and set `- models@models.mini: mini` in"),
        (["models@models.vgg19=base_cnn"], "models@models.vgg19: conf/ does not choose base_cnn"),
        (["trainer=gpu"], "trainer: conf/ does not choose gpu, with which the run was made; put gpu.yaml"),
        (["models.mini.train.lr=1"], "models@models.mini: conf/ does not choose mini"),
        (["models.base_cnn.train.lrr=1"], "models.base_cnn.train.lrr: unknown key; did you mean lr?"),
        (["seed=3", "models.base_cnn.train.lr=-1"], "models.base_cnn.train.lr: -1 is out of range"),
        (["datasets.kaggle.preprocess.split.val=0.5"], "the fractions must sum to 1"),
        (["profile=demoo"], "profile: unknown name 'demoo'; did you mean demo?"),
        (["models.base_cnn.train.lr=${nothing}"], "Interpolation key 'nothing' not found"),
        (["models.base_cnn.train.lr=[1"], "models.base_cnn.train.lr=[1: Hydra cannot read this"),
    ],
)  # fmt: skip
def test_what_cannot_be_promoted_is_refused_and_changes_nothing(
    overrides: list[str], message: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_texts(home)
    monkeypatch.setattr("sys.argv", ["promote", str(write_run(home / RUN, *overrides))])
    with pytest.raises(SystemExit) as ended:
        promote.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert read_texts(home) == before


def test_a_file_used_twice_is_not_written(home: Path) -> None:
    file = home / "conf" / "config.yaml"
    write_text(file, file.read_text().replace("  - profile:", "  - models@models.twin: base_cnn\n  - profile:"))
    before = read_texts(home)
    with pytest.raises(UserError, match=r"models\.base_cnn\.train\.lr: would be 0.0001 instead of 0.001"):
        promote.promote(str(write_run(home / RUN, "models.twin.train.lr=1e-4")))
    assert read_texts(home) == before


def test_what_others_interpolate_may_itself_be_interpolated(home: Path) -> None:
    file = home / CONFIG
    write_text(file, file.read_text().replace("seed: 1337 #", "seed: ${oc.env:NO_SUCH_SEED,1337} #"))
    before = read_texts(home)
    promote.promote(str(write_run(home / RUN, "seed=7")))
    assert new_lines(before, read_texts(home)) == {CONFIG: "seed: 7"}


def test_what_was_appended_is_promoted_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, run = read_texts(home), str(write_run(home / RUN, "+models.base_cnn.publish.labels.kind=cv"))
    promote.promote(run)
    assert new_lines(before, read_texts(home)) == {BASE: "publish: {labels: {kind: cv}}"}
    promote.promote(run)
    assert "conf/ already says what" in capsys.readouterr().out


@pytest.mark.parametrize("trouble", [OSError("disk full"), KeyboardInterrupt(), None])
def test_trouble_after_writing_brings_the_old_files_back(
    trouble: BaseException | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_: list[str]) -> None:
        write_text(home / "params.yaml", "seed: 3\n")
        if trouble:
            raise trouble

    monkeypatch.setattr(promote, "write_params", write)
    before = read_texts(home)
    with pytest.raises(type(trouble) if trouble else UserError):
        promote.promote(str(write_run(home / RUN, "models.base_cnn.train.lr=1e-4", "seed=3")))
    assert read_texts(home) == before


def test_stages_of_a_run_come_together_and_the_earlier_ones_count(home: Path) -> None:
    folder = write_run(home / RUN, "models.base_cnn.train.lr=1e-4")
    write_run(folder, "models.base_cnn.train.lr=1e-2", "models.base_cnn.evaluate.bins=12", stage="evaluate")
    overrides, _ = promote.read_run(str(folder))
    assert set(overrides) == {"++models.base_cnn.train.lr=1e-4", "++models.base_cnn.evaluate.bins=12"}


@pytest.mark.parametrize(
    ("mode", "monitor", "values", "best"),
    [
        ("min", "val_loss", [0.5, 0.4, None, 0.6, math.nan], 1),
        ("max", "val_accuracy", [math.nan, 0.4, 0.9, 0.9, None, *[0.1] * 5, 0.95], 10),
        ("min", "val_loss", [None, math.nan], 1),
    ],
)
def test_the_best_job_of_a_sweep_counts(
    mode: str, monitor: str, values: list[float | None], best: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "12-00-00-train-sweep"
    for number, value in enumerate(values):
        job = write_run(sweep / str(number), f"models.base_cnn.train.epochs={number}")
        if value is not None:
            write_json(job / "result.json", {"monitor": monitor, "mode": mode, "metrics": {monitor: value}})
    assert promote.read_run(str(sweep)) == ([f"++models.base_cnn.train.epochs={best}"], {})
    assert f"best by {mode} {monitor}: {sweep}/{best}" in capsys.readouterr().out


def test_a_search_is_replaced_by_its_winner(home: Path) -> None:
    folder = write_run(home / RUN, "models.resnet50.train.lr=1e-5", "models.resnet50.search.runs=3")
    winner = {"lr": 0.005, "network.layer_size": 256}
    write_json(folder / "artifacts/models/resnet50/model.json", {"trained": {"search": {"winner": winner}}})
    write_json(folder / "artifacts/models/base_cnn/model.json", {"trained": {"epochs": 3}})
    before = read_texts(home)
    promote.promote(str(folder))
    assert new_lines(before, read_texts(home)) == {
        "conf/models/resnet50.yaml": "layer_size: 256; lr: 0.005; strategy: none; runs: 3"
    }


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("runs/never", "runs/never: no such folder, nor the id of an MLflow run"),
        ("abcdef", "abcdef: no such folder"),
        ("empty", "empty: not a run, it holds no .hydra/<stage>/overrides.yaml; give a run's folder"),
        ("sweep", "sweep: none of its jobs has a result"),
        ("0123abcd", "has recorded nothing yet"),
    ],
)
def test_what_is_no_run_is_refused(run: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "empty").mkdir()
    write_run(tmp_path / "sweep" / "0", "seed=3")
    with pytest.raises(UserError) as refused:
        promote.read_run(run)
    assert message in str(refused.value)
    assert not (tmp_path / "mlflow.db").exists()


def test_a_person_promotes_a_run(project: Path) -> None:
    write_run(project / RUN, "model=base_cnn", "models.base_cnn.train.lr=1e-4")
    done = python("-m", "stages.promote", str(RUN), cwd=project)
    assert done.stdout.splitlines() == [
        "wrote params.yaml",
        "models.base_cnn.train.lr: 0.001 → 0.0001 in conf/models/base_cnn.yaml",
        "next: dvc repro evaluate@base_cnn package@base_cnn",
    ]
    python("-m", "stages.compose", "--check", cwd=project)
    again = python("-m", "stages.promote", f"{RUN}/", cwd=project)
    assert again.stdout == f"conf/ already says what {RUN}/ was made with\n"


def test_a_run_of_mlflow_is_promoted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Param

    uri = f"sqlite:///{home}/runs.db"
    store = MlflowClient(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(promote, "connect", lambda: store)  # stages.core.tracking's own would set this process' store
    experiment = store.create_experiment("base_cnn", (home / "mlartifacts").as_uri())
    run, empty = (store.create_run(experiment).info.run_id for _ in range(2))
    trained = OmegaConf.load(home / "params.yaml").models.base_cnn.train
    trained.lr, trained.patience, trained.optimizer.betas = 1e-5, 3, [0.8, 0.9]
    trained.network, trained.code = {"name": "vgg19", "dropout": 0.5}, "stages/networks/vgg19.py"
    values = promote._flatten(OmegaConf.to_container(trained), ("models", "base_cnn", "train"))
    params = [Param(".".join(key), str(value)) for key, value in values.items()]
    store.log_batch(run, params=[*params, Param("epochs", "50")])
    before = read_texts(home)
    promote.promote(run[:8].upper())
    assert new_lines(before, read_texts(home)) == {
        BASE: "name: vgg19; lr: 1e-05; optimizer: {betas: [0.8, 0.9]}; patience: 3",
        DEMO: "train: {network: {dropout: 0.5}, epochs: 8, augment: {hflip: 0.5}}",
    }, "`code` follows from the network's name"
    for wrong, message in [(empty, "has no parameters models"), ("0" * 32, "no run's id in MLflow")]:
        with pytest.raises(UserError, match=message):
            promote.promote(wrong)


def test_an_ambiguous_or_silent_store_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(info=SimpleNamespace(run_id="0" * 32), data=SimpleNamespace(params={}))
    store = SimpleNamespace(search_experiments=list, search_runs=lambda *_, **__: [run, run])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@localhost:1")
    monkeypatch.setattr(promote, "connect", lambda: store)
    with pytest.raises(UserError, match=r"more than one run's id in MLflow .* begins so"):
        promote.read_run("0" * 8)
    monkeypatch.setattr(store, "search_experiments", lambda: 1 / 0)
    with pytest.raises(UserError, match="does not answer: division by zero") as refused:
        promote.read_run("0" * 8)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "stages"),
    [
        (["models.a.train.lr", "models.a.package.opset"], ["evaluate@a", "package@a"]),
        (["datasets.d.fetch.url"], ["evaluate@b", "package@b"]),
        (["models.a.train.lr", "datasets.d.fetch.url"], []),
        (["bento.queue"], []),
    ],
)
def test_what_comes_next_is_named(keys: list[str], stages: list[str]) -> None:
    values = {("models", "a", "dataset"): "c", ("models", "b", "dataset"): "d", ("models", "b", "train", "lr"): 1}
    assert promote.list_targets([tuple(key.split(".")) for key in keys], values) == stages
