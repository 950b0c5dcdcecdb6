"""A search's candidates, and the training that goes through them."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.config.schema import Search, Tree
from stages.core.concurrency import LocalExecutor
from stages.core.context import StageContext
from stages.core.errors import UserError
from stages.core.workspace import Workspace
from stages.train import __main__ as stage
from stages.train import training
from stages.train.model import describe
from stages.train.search import Candidate, winner
from tests.conftest import replace, tree

SPACE = ["models.base_cnn.search.strategy=grid", "+models.base_cnn.search.space.lr=[1e-3,1e-4,1e-2]"]
SHORT = ["models.base_cnn.train.epochs=1", "models.base_cnn.train.freeze=all"]


def search(**changes: Any) -> Search:
    return replace(tree().models["resnet50"].search, **changes)


def drawn(**changes: Any) -> list[Candidate]:
    from stages.train.search import candidates as points

    return points(search(**changes), tree().models["resnet50"].train)


def test_a_grid_is_every_point_and_a_draw_takes_none_twice() -> None:
    grid = drawn(strategy="grid")
    assert len({candidate.name for candidate in grid}) == 9
    assert grid[1].values == {"lr": 0.001, "network.layer_size": 512}
    assert (grid[1].config.lr, grid[1].config.network["layer_size"]) == (0.001, 512)
    draws = [{candidate.name for candidate in drawn(runs=9, seed=seed)} for seed in (1, 2)]
    assert draws[0] == draws[1] == {candidate.name for candidate in grid}
    assert drawn(runs=3, seed=4) == drawn(runs=3, seed=4)
    assert drawn(runs=3, seed=4) != drawn(runs=3, seed=5)


def test_the_first_of_the_best_wins() -> None:
    rows = [{"val_accuracy": a, "val_loss": b} for a, b in ((0.5, 0.3), (0.7, 0.4), (0.7, 0.1))]
    assert winner(rows, search(monitor="val_accuracy", mode="max")) == 1
    assert winner(rows, search(monitor="val_loss", mode="min")) == 2
    assert winner([{"val_loss": math.nan}, *rows], search(monitor="val_loss", mode="min")) == 3, (
        "not a number is never the best"
    )


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["models.resnet50.search.runs=10"], "runs: 10 is more than the space's 9 points"),
        (["models.resnet50.search.space={}", "~models.resnet50.search.space.lr",
          "~models.resnet50.search.space.layer_size"], "space: empty"),
        (["models.resnet50.search.space.lr=0.1"], "search.space.lr: 0.1 is not a list"),
        (["models.resnet50.search.space.lr=[0.1,-1]"], "search.space: lr: -1 is out of range; it must be above 0"),
        (["models.resnet50.search.space.lr=[fast]"], "search.space: lr: 'fast' is not a number"),
        (["+models.resnet50.search.space.layer_sizes=[1]"], "layer_sizes: unknown key; did you mean layer_size?"),
        (["models.resnet50.search.space.lr=[0.001,1e-3]"], "lr: [0.001, 0.001] holds a value twice"),
        (["+models.resnet50.search.space.freeze=[all,some]"], "freeze: 'some' is not allowed"),
        (["+models.resnet50.search.space.devices=[1,2]"], "search.space.devices: all candidates"),
        (["+models.resnet50.search.space.strategy=[ddp,fsdp]"], "search.space.strategy: all candidates"),
        (["models.resnet50.publish.to=https://host/x"], "publish.to: 'https://host/x' cannot be written to"),
        (["models.resnet50.train.freeze=some"], "train.freeze: 'some' is not allowed; set none, all, or a list"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_made_is_refused_before_any_work(overrides: Sequence[str], says: str) -> None:
    with pytest.raises(UserError) as caught:
        validate(compose_tree(["profile=smoke", *overrides]))
    assert says in str(caught.value)


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a project that holds the prepared dataset."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / "data" / "prepared").mkdir(parents=True)
    (tmp_path / "data" / "prepared" / "kaggle").symlink_to(prepared)
    return Workspace(tmp_path, tmp_path)


def job(place: Workspace, *overrides: str) -> StageContext:
    config: Tree = tree(*SHORT, *overrides)
    return StageContext("train", config, "base_cnn", place)


def weights(place: Workspace) -> bytes:
    return (place.root / "artifacts/models/base_cnn/weights.safetensors").read_bytes()


def test_the_winners_weights_are_the_model_and_each_candidate_is_what_it_is_alone(place: Workspace) -> None:
    stage.main.task(job(place, *SPACE))
    searched = weights(place)
    found = describe(place.root / "artifacts/models/base_cnn").trained["search"]
    alone = {}
    for lr in (1e-3, 1e-4, 1e-2):
        result = stage.main.task(job(place, f"models.base_cnn.train.lr={lr}"))
        assert result is not None
        alone[lr] = (round(result.metrics["val_loss"], 6), weights(place))
    assert [item["best"]["val_loss"] for item in found["candidates"]] == [loss for loss, _ in alone.values()]
    assert searched == alone[found["winner"]["lr"]][1]
    assert not list((place.root / ".checkpoints").iterdir())

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place.root}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("base_cnn").experiment_id])
    (parent,) = (run for run in runs if run.data.tags.get("search") == "grid")
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {run.data.params["models.base_cnn.train.lr"] for run in nested} == {"0.001", "0.0001", "0.01"}
    (best,) = (run for run in nested if "weights" in run.data.tags)
    assert float(best.data.params["models.base_cnn.train.lr"]) == found["winner"]["lr"]
    assert all(run.info.status == "FINISHED" for run in runs)


def test_a_killed_search_repeats_nothing_that_is_finished(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.main.task(job(place, *SPACE))
    unbroken = weights(place)
    tried: list[float] = []
    train = training.Training.train

    def mortal(self: training.Training, *words: Any) -> Any:
        tried.append(self.config.lr)
        if len(tried) == 3:
            raise KeyboardInterrupt
        return train(self, *words)

    monkeypatch.setattr(training.Training, "train", mortal)
    with pytest.raises(KeyboardInterrupt):
        stage.main.task(job(place, *SPACE))
    kept = {file.parent for file in (place.root / ".checkpoints").rglob("*.ckpt")}
    assert len(kept) == 1, "only the best so far keeps its weights"
    stage.main.task(job(place, *SPACE))
    assert tried == [1e-3, 1e-4, 1e-2, 1e-2]
    assert weights(place) == unbroken
    assert not list((place.root / ".checkpoints").iterdir())


def test_candidates_share_the_features_of_a_frozen_backbone(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    map_chunks = LocalExecutor.map

    def counted(own: LocalExecutor, description: str, work: Any, chunks: Any) -> Iterator[Any]:
        computed.extend([description] * bool(chunks))
        return map_chunks(own, description, work, chunks)

    monkeypatch.setattr(LocalExecutor, "map", counted)
    both = ["features of train", "features of val"]
    stage.main.task(job(place, *SPACE))
    assert computed == both
    stage.main.task(job(place, "models.base_cnn.train.normalize.mean=[0,0,0]"))
    assert computed == both * 2, "other inputs, other features"
