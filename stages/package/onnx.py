"""Export to ONNX, and the proof that ONNX Runtime answers as the native network does."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from stages.preprocess.store import Images, Split

INPUT, OUTPUT = "pixels", "probabilities"


@dataclass(frozen=True)
class Parity:
    """How far two implementations of one model lie apart on the same images."""

    images: int
    largest: float
    agreeing: int

    @property
    def record(self) -> dict[str, Any]:
        """The numbers, for parity.json."""
        return {"images": self.images, "max_abs_difference": self.largest, "same_label": self.agreeing}


def export(model: nn.Module, size: int, opset: int, path: Path) -> None:
    """Write a model of raw pixels (uint8, N x size x size x 3; N is free) as one ONNX file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=opset,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    anonymous(path)


def anonymous(path: Path) -> None:
    """Take out what the exporter notes beside the graph: stack traces with this machine's paths among it."""
    model = onnx.load(path)
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    onnx.save(model, path)


def session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def parity(model: nn.Module, path: Path, images: Images) -> Parity:
    """Compare probabilities of both on images (uint8, N x H x W x 3), in one batch and one by one."""
    opened = session(path)
    with torch.inference_mode():
        native = model(torch.from_numpy(images)).numpy()
    batch = opened.run([OUTPUT], {INPUT: images})[0]
    single = opened.run([OUTPUT], {INPUT: images[:1]})[0]
    largest = max(np.abs(native - batch).max(), np.abs(native[:1] - single).max())
    return Parity(len(images), float(largest), int((native.argmax(1) == batch.argmax(1)).sum()))


def chosen(split: Split, count: int) -> Images:
    """Return `count` images spread over a split, or all where there are fewer."""
    rows = np.unique(np.linspace(0, len(split) - 1, min(count, len(split))).astype(int))
    return np.ascontiguousarray(split.images[rows])
