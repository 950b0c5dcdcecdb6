"""Export to ONNX, and ONNX Runtime's answers."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

from stages.core.onnx_model import create_session
from stages.preprocess.store import Images
from stages.train.model import Probabilities

INPUT, OUTPUT = "pixels", "probabilities"


def export(model: nn.Module, size: int, opset: int, path: Path, output: str = OUTPUT) -> None:
    """Write a model of raw pixels (uint8, N x size x size x 3; N is free) as one ONNX file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (example,),
            input_names=[INPUT],
            output_names=[output],
            opset_version=opset,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    onnx.save(anonymous(program.model_proto), path)


def anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what the exporter notes beside the graph: stack traces with this machine's paths among it."""
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    return model


def fusible(path: Path) -> None:
    """Bring a channels-last graph to a form whose batch normalisation ONNX Runtime fuses into the convolutions.

    Its portable optimisations take the transpositions out; then x - c is written x + (-c): it fuses additions only.
    """
    simplify(path, path)
    model = onnx.load(path)
    constants = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Sub" and node.input[1] in constants:
            negative = -numpy_helper.to_array(constants[node.input[1]])
            node.op_type, node.input[1] = "Add", f"{node.output[0]}_negative"
            model.graph.initializer.append(numpy_helper.from_array(negative, node.input[1]))
    used = {name for node in model.graph.node for name in node.input}
    keep_only(model.graph.initializer, [item for item in model.graph.initializer if item.name in used])
    keep_only(model.opset_import, [item for item in model.opset_import if item.domain == ""])
    onnx.checker.check_model(model)
    onnx.save(model, path)


def simplify(path: Path, target: Path) -> None:
    """Write an ONNX file as ONNX Runtime's portable optimisations leave it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def keep_only(field: Any, items: list[Any]) -> None:
    """Replace the items of a repeated field."""
    del field[:]
    field.extend(items)


def ask(path: Path, images: Images, output: str = OUTPUT) -> Probabilities:
    """Return an ONNX file's answers, in one batch and, for the first image, alone."""
    opened = create_session(path)
    batch, alone = (opened.run([output], {INPUT: some})[0] for some in (images, images[:1]))
    return np.concatenate([alone, batch[1:]])
