import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from stages.evaluate.__main__ import note
from stages.evaluate.card import Findings, card, limits, table
from stages.evaluate.metrics import Predictions, confusions, per_class, summary
from stages.evaluate.plots import PICTURES, write_plots
from stages.evaluate.predictions import predict, write_mistakes, write_predictions
from stages.preprocess.store import Store
from stages.train.model import Description, describe


def test_predictions_are_of_every_test_image_in_order(trained: Path, prepared: Path, tmp_path: Path) -> None:
    test = Store(prepared).split("test")
    found, description = predict(trained, test, batch_size=5)
    assert np.allclose(found.probabilities.sum(1), 1)
    assert description.labels == ["cat", "dog"]
    write_predictions(tmp_path / "p.parquet", found, test)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [row["path"] for row in rows] == test.paths
    assert rows[0]["p_cat"] == found.probabilities[0, 0]
    assert rows[0]["actual"] == ("cat", "dog")[test.labels[0]]
    write_mistakes(tmp_path / "m.png", found, test, 8)
    assert Image.open(tmp_path / "m.png").width > 500


def test_plots_for_dvc_and_for_people(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 30):
        folder = tmp_path / str(classes)
        folder.mkdir()
        found = Predictions(
            rng.dirichlet(np.ones(classes), 90), np.arange(90) % classes, [f"c{n}" for n in range(classes)]
        )
        write_plots(folder, found, 10)
        assert {file.name for file in (folder / PICTURES).iterdir()} == {"confusion.png", "roc.png", "calibration.png"}
        with (folder / "confusion.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert sum(row["actual"] == row["predicted"] for row in rows) == int((found.predicted == found.truth).sum())


def findings(found: Predictions) -> Findings:
    return Findings(summary(found, 10), per_class(found), confusions(found))


def test_the_card_of_many_classes_counts_them_and_names_the_commonest_mistakes(trained: Path, prepared: Path) -> None:
    labels = [f"breed_{number:03d}" for number in range(120)]
    said = np.arange(240) % 120
    said[3] = 7
    result = findings(Predictions(np.eye(120)[said], np.arange(240) % 120, labels))
    text = card(replace(describe(trained), labels=labels), result, Store(prepared).report)
    assert "Tells 120 classes, from breed_000 to breed_119, apart" in text
    assert "among the five most probable" in text
    assert "| breed_003 | breed_007 | 1 | 50% |" in text
    assert text.count("\n| breed_") == 121


def test_a_card_says_what_is_drawn_and_how_sure_it_is() -> None:
    description = Description(
        name="m", plugins=[], labels=["cat", "dog"], size=48, resize="squash", dataset="pets", data="abc",
        config={"framework": "lightning", "network": {"name": "base_cnn"}, "lr": 0.1, "augment": {"hflip": 0.5}},
        trained={"parameters": 10, "best_val_accuracy": 0.5},
    )  # fmt: skip
    result = findings(Predictions(np.eye(2)[[0, 1, 0]], np.array([0, 1, 1]), ["cat", "dog"]))
    dataset = {"source": "synthetic", "splits": {"test": {"cat": 1, "dog": 2}}, "dropped": [], "duplicates": 0}
    dataset["remarks"] = {"not JFIF": ["a.jpg", "b.jpg"]}
    text = card(description, result, dataset | {"contradictory_labels": 0})
    for words in (
        "66.7%",
        "95 % interval",
        "drawings",
        "`augment.hflip` | `0.5`",
        "cat 1, dog 2",
        "2 have a remark: not JFIF",
        "| dog | cat | 1 | 50% |",
    ):
        assert words in text


def test_a_card_holds_the_caveat_of_its_dataset(trained: Path, prepared: Path) -> None:
    found, metrics = Store(prepared).report, {"images": 12}
    assert "optimistic" not in limits(describe(trained), metrics, found)
    assert "- They are optimistic." in limits(describe(trained), metrics, found | {"caveat": "They are optimistic."})


def test_a_table_keeps_its_columns() -> None:
    assert table(("a", "b"), [("x|y", 1)]).splitlines() == ["| a | b |", "| --- | --- |", "| x\\|y | 1 |"]


def test_the_card_of_a_search_shows_what_was_tried(trained: Path, prepared: Path) -> None:
    description = describe(trained)
    best = {"val_accuracy": 0.9, "val_loss": 0.3}
    tried = [{"values": {"lr": 0.1}, "best": best}, {"values": {"lr": 0.2}, "best": {**best, "val_accuracy": 0.8}}]
    found = {"strategy": "grid", "monitor": "val_accuracy", "mode": "max", "winner": {"lr": 0.1}, "candidates": tried}
    of_search = replace(description, trained={**description.trained, "search": found})
    predictions, _ = predict(trained, Store(prepared).split("test"), 8)
    text = card(of_search, findings(predictions), Store(prepared).report)
    assert "The best of 2 candidates by `val_accuracy`: `lr` 0.1." in text
    assert "| 0.2 | 80.0% | 0.3000 |" in text


def test_a_note_is_no_longer_than_mlflow_allows() -> None:
    assert note("short") == "short"
    long = note("| a line |\n" * 1000)
    assert len(long) <= 8000
    assert long.endswith("| a line |")
