"""int8 beside fp32: how it is made, that it is the same each time, and that it must earn its place."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from torch import nn

from stages.core.files import hash_file
from stages.core.onnx_model import FILES, OnnxModel, list_precisions
from stages.package.gate import compare
from stages.package.onnx import ask, export
from stages.package.quantize import attempt, calibration_rows
from stages.preprocess.store import Split, Store
from tests.conftest import python, tree

CONFIG = tree("models.base_cnn.package.quantize=int8").models["base_cnn"].package
SIZE = 16


class Classifier(nn.Module):
    """Tells whether red or green prevails; beside what it looks at, another channel is `loud` times as large."""

    def __init__(self, loud: float) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False)
        self.first.weight.data = torch.tensor([[loud, loud, loud], [1, -1, 0]]).view(2, 3, 1, 1)
        self.second.weight.data = torch.tensor([[0.0, 1], [0, -1]]).view(2, 2, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(pixels.permute(0, 3, 1, 2).float() / 255)).mean((2, 3)).softmax(1)


def pictures(count: int, seed: int) -> Split:
    """Return single-coloured pictures of class 0 (red prevails) and 1 (green does)."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 200, (count, 1, 1, 3))
    labels = rng.integers(0, 2, count)
    colours[np.arange(count), 0, 0, labels] = colours[np.arange(count), 0, 0, 1 - labels] + rng.integers(16, 56, count)
    images = np.broadcast_to(colours, (count, SIZE, SIZE, 3)).astype(np.uint8)
    return Split(images, labels, [str(number) for number in range(count)])


def made(folder: Path, loud: float, **config: Any) -> Any:
    """Quantise such a network by such pictures."""
    export(Classifier(loud).eval(), SIZE, 20, folder / "model.onnx")
    splits = {"train": pictures(64, 0), "test": pictures(200, 1)}
    store: Any = SimpleNamespace(split=splits.__getitem__)
    return attempt(folder, store, SimpleNamespace(quantize_images=32, quantize_drop=0.5, **config), 0)  # type: ignore[arg-type]


@given(classes=st.lists(st.integers(0, 4), min_size=1, max_size=60), count=st.integers(1, 80), seed=st.integers(0, 5))
def test_calibration_images_are_spread_over_the_classes(classes: list[int], count: int, seed: int) -> None:
    labels = np.array(classes, np.int64)
    rows = calibration_rows(labels, count, seed)
    assert len(set(rows.tolist())) == len(rows) == min(count, len(labels))
    assert np.array_equal(rows, np.sort(rows)), "a memory-mapped file is read forwards"
    assert np.array_equal(rows, calibration_rows(labels, count, seed))
    taken, there = np.bincount(labels[rows], minlength=5), np.bincount(labels, minlength=5)
    fewest = taken[taken < there].min(initial=count)
    assert all(number <= fewest + 1 for number in taken), "no class has two more than one that has some left"


def test_another_seed_draws_others() -> None:
    labels = np.zeros(500, np.int64)
    assert not np.array_equal(calibration_rows(labels, 20, 0), calibration_rows(labels, 20, 1))


def test_what_computes_is_in_8_bits_and_the_contract_is_unchanged(quantized: Path, prepared: Path) -> None:
    fp32, int8 = (quantized / "base_cnn" / FILES[precision] for precision in ("fp32", "int8"))
    assert int8.stat().st_size < 0.35 * fp32.stat().st_size
    graph = onnx.load(int8).graph
    weights = [
        item for item in map(numpy_helper.to_array, graph.initializer) if item.dtype == np.int8 and item.ndim > 1
    ]
    layers = [node.op_type for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(weights) == len(layers) - 1, "all but the last"
    assert max(np.abs(item.astype(int)).max() for item in weights) <= 64, "7 bits: no sum saturates without VNNI"
    found, plain = (OnnxModel(quantized / "base_cnn", 1, precision=name) for name in ("int8", "fp32"))
    assert (found.version, plain.version) == ("2", "1")
    images = np.ascontiguousarray(Store(prepared).split("test").images)
    for batch in (images, images[:1], images[:3]):
        assert found.run(batch).shape == (len(batch), 2)
        assert np.allclose(found.run(batch).sum(1), 1, atol=1e-6)
    difference = np.abs(found.run(images) - plain.run(images)).max()
    assert 0 < difference < 0.1


def test_a_network_that_keeps_its_accuracy_gets_version_2(tmp_path: Path) -> None:
    found = made(tmp_path, loud=1.0)
    assert found.passed
    assert found.trial.drop <= 0.5
    assert found.contract["sha256"] == hash_file(tmp_path / "model.int8.onnx") == found.record["packaged"]
    assert found.contract["calibrated_on"] == 32
    assert found.told("m", CONFIG).startswith("int8 of m: version 2; test accuracy 100.0% →")
    assert {file.name for file in tmp_path.iterdir()} == {"model.onnx", "model.int8.onnx"}, "no scratch is left"


def test_one_that_loses_it_stays_in_fp32_and_is_told_why(tmp_path: Path) -> None:
    found = made(tmp_path, loud=1e4)
    assert found.trial.drop > 10, "what it looks at is finer than a step of 8 bits"
    assert not found.passed
    assert found.record["packaged"] is None
    assert found.record["accuracy_fp32"] == 1.0
    assert {file.name for file in tmp_path.iterdir()} == {"model.onnx"}
    said = found.told("m", CONFIG)
    assert re.search(r"int8 of m: not packaged.*100\.0% → \d+\.\d%.*answers changed; .*quantize_drop allows 0\.5", said)
    assert "models.m.package.quantize_images (32 now)" in said


def test_every_labelled_test_image_is_asked(tmp_path: Path) -> None:
    made(tmp_path, loud=1.0)
    test = pictures(37, 2)
    labels = test.labels.copy()
    labels[::5] = -1
    answers = [ask(tmp_path / name, test.images).argmax(1) for name in ("model.onnx", "model.int8.onnx")]
    found = compare(tmp_path / "model.onnx", tmp_path / "model.int8.onnx", Split(test.images, labels, test.paths))
    known = labels >= 0
    assert found.images == known.sum()
    assert found.correct == (answers[0] == labels)[known].sum()
    assert found.correct - found.lost + found.gained == (answers[1] == labels)[known].sum()
    assert found.changed == (answers[0] != answers[1])[known].sum()


def test_a_package_says_in_which_precisions_it_answers(package: Path, quantized: Path) -> None:
    assert list_precisions(package / "base_cnn") == ["fp32"]
    assert list_precisions(quantized / "base_cnn") == ["fp32", "int8"]


MEMORY = """
import sys; from pathlib import Path; import numpy as np; from stages.core.onnx_model import FILES, create_session
images = np.zeros((1, 48, 48, 3), np.uint8)
def resident(): return int(open("/proc/self/statm").read().split()[1])
pages, kept = [resident()], []
for file in FILES.values():
    kept.append(create_session(Path(sys.argv[1]) / file, 1))
    kept[-1].run(None, {"pixels": images})
    pages.append(resident())
print((pages[2] - pages[1]) / (pages[1] - pages[0]))
"""


def test_a_second_version_costs_less_memory_than_the_first(quantized: Path) -> None:
    assert float(python("-c", MEMORY, str(quantized / "base_cnn")).stdout) < 0.6


MAKE = """
import os, sys; from pathlib import Path
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[3])])
from stages.package.quantize import quantize; from stages.preprocess.store import Store
import numpy as np, resource
train = Store(Path(sys.argv[1])).split("train")
rows = np.resize(np.arange(len(train)), int(sys.argv[4]))
quantize(Path(sys.argv[2]), train, rows, Path(sys.argv[5]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_it_is_a_function_of_its_inputs_in_flat_memory(package: Path, prepared: Path, tmp_path: Path) -> None:
    """Neither the order of sets, nor threads, nor folders are in the bytes; more images cost no memory, MB."""
    model, peaks = str(package / "base_cnn" / "model.onnx"), []
    for number, (threads, images) in enumerate([(1, 24), (2, 24), (2, 400)]):
        folder = tmp_path / f"place{number}"
        folder.mkdir()
        words = (str(prepared), model, str(threads), str(images), str(folder / "model.int8.onnx"))
        peaks.append(int(python("-c", MAKE, *words, PYTHONHASHSEED=str(number)).stdout.split()[-1]))
    contents = [(tmp_path / f"place{number}" / "model.int8.onnx").read_bytes() for number in range(2)]
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in contents[0]
    assert peaks[2] - peaks[1] < 60
