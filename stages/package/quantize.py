"""int8: a packaged ONNX file once more, with weights and activations in 8 bits, calibrated on training images.

What was chosen, and why, by measuring mean |Δp| on trained models: unsigned activations and signed weights, the pair
that x86 multiplies fastest; a scale for every channel; weights of 7 bits (8 are a fifth closer to fp32, but their
16-bit sums saturate on processors without VNNI: what passed here must hold there, too); of activations the smallest
and largest ever seen, since averages and percentiles, which cut off rare ones, were 2 to 6 times as far off;
normalisation and the last layer in fp32, which costs no time.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, MinMaxCalibrater, QDQQuantizer, QuantType

from stages.config.schema import Package
from stages.core.files import hash_file
from stages.core.onnx_model import FILES
from stages.package.gate import Trial, compare, in_batches
from stages.package.onnx import INPUT, anonymous, simplify
from stages.preprocess.store import Images, Split, Store

OPERATORS = ["Add", "Concat", "Conv", "Gemm", "MatMul", "MaxPool", "Pad", "Relu"]
LAYERS, LAST = ("Conv", "Gemm", "MatMul"), ("Gemm", "MatMul")


@dataclass(frozen=True)
class Edition:
    """An int8 edition that was made, how it did, and whether it passed."""

    trial: Trial
    passed: bool
    sha256: str
    calibrated_on: int

    @property
    def contract(self) -> dict[str, Any]:
        """What model.json says of it."""
        return {"file": FILES["int8"], "sha256": self.sha256, "calibrated_on": self.calibrated_on, **self.trial.record}

    @property
    def record(self) -> dict[str, Any]:
        """What parity.json and MLflow say of it, whether it passed or not."""
        packaged = self.sha256 if self.passed else None
        return {"packaged": packaged, "calibrated_on": self.calibrated_on, **self.trial.record}

    def told(self, name: str, config: Package) -> str:
        """Return in words what became of it, and what to try where it did not pass."""
        if self.passed:
            return f"int8 of {name}: version 2; {self.trial.words}"
        where = f"models.{name}.package"
        return (
            f"int8 of {name}: not packaged, fp32 alone is; {self.trial.words}; {where}.quantize_drop allows "
            f"{config.quantize_drop:g}. Try more {where}.quantize_images ({self.calibrated_on} now), "
            f"or train longer: surer answers change less"
        )


def attempt(folder: Path, store: Store, config: Package, seed: int) -> Edition:
    """Quantise a folder's model.onnx and ask both the whole test split; what does not pass is removed again."""
    train, file = store.split("train"), folder / FILES["int8"]
    rows = calibration_rows(train.labels, config.quantize_images, seed)
    quantize(folder / FILES["fp32"], train, rows, file)
    trial = compare(folder / FILES["fp32"], file, store.split("test"))
    found = Edition(trial, trial.drop <= config.quantize_drop, hash_file(file), len(rows))
    if not found.passed:
        file.unlink()
    return found


class Batches(CalibrationDataReader):  # type: ignore[misc]
    """Images as ONNX Runtime's calibration asks for them."""

    def __init__(self, batches: Iterator[Images]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, Images] | None:
        """Return the next batch under the input's name, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantize(model: Path, train: Split, rows: npt.NDArray[np.int64], target: Path) -> None:
    """Write the int8 edition of an ONNX file; memory does not grow with the number of rows it is calibrated on."""
    with TemporaryDirectory(dir=target.parent) as scratch:
        simple = Path(scratch) / "simple.onnx"
        simplify(model, simple)
        calibrater = MinMaxCalibrater(simple, OPERATORS, str(simple.with_name("observed.onnx")))
        plain = deepcopy(calibrater.model)
        calibrater.augment_graph()
        calibrater.create_inference_session()
        calibrater.collect_data(Batches(in_batches(train.images, rows, "calibrating int8")))
        ranges = calibrater.compute_data()
    quantizer = QDQQuantizer(
        plain, per_channel=True, reduce_range=True, weight_qType=QuantType.QInt8, activation_qType=QuantType.QUInt8,
        tensors_range=ranges, nodes_to_quantize=[], nodes_to_exclude=left_exact(plain.graph.node),
        op_types_to_quantize=OPERATORS, extra_options={},
    )  # fmt: skip
    onnx.save(anonymous(quantizer.quantize_model()), target)


def left_exact(nodes: Any) -> list[str]:
    """Name all nodes of a sorted graph; return those left in fp32: before the first layer, and from the last one on."""
    for number, node in enumerate(nodes):
        node.name = node.name or f"node_{number}"
    first = next((number for number, node in enumerate(nodes) if node.op_type in LAYERS), 0)
    last = max((number for number, node in enumerate(nodes) if node.op_type in LAST), default=len(nodes))
    return [node.name for node in (*nodes[:first], *nodes[last:])]


def calibration_rows(classes: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return `count` rows, or all where there are fewer, drawn by the seed, as many of each class as can be."""
    drawn = np.random.default_rng(seed).permutation(len(classes))
    turn = np.empty(len(classes), np.int64)
    for label in np.unique(classes):
        own = drawn[classes[drawn] == label]
        turn[own] = np.arange(len(own))
    order = drawn[np.argsort(turn[drawn], kind="stable")]
    return np.sort(order[:count])
