"""Keras models for a race: exported to ONNX by Keras on torch in a process of its own, answered by Keras on TensorFlow.

`python -m benchmarks.keras_export NAME FOLDER` writes model.onnx and the weights it holds.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import described, documented
from stages.backends.keras import backend
from stages.core.workspace import CODE_ROOT

MOSAIC = "mosaic"
OUTPUT = "answers"


def network(name: str) -> Any:
    """Return a Keras model of raw pixels: a classifier, or the featuriser of an index."""
    tree = documented()
    if name in tree.indexes:
        from stages.package.cut.keras import featuriser
        from stages.package.cut.source import of_network

        index = tree.indexes[name]
        config = index.features
        config.weights = "none"
        return featuriser(of_network(config, tree.datasets[index.dataset].preprocess.size, []))
    from stages.backends.keras.model import served
    from stages.train.model import rebuild

    return served(rebuild(described(tree, name)))


def exported(name: str, folder: Path) -> Any:
    """Export a model in another process; return it here, on TensorFlow, with the same weights."""
    command = [sys.executable, "-m", "benchmarks.keras_export", name, str(folder)]
    subprocess.run(command, cwd=CODE_ROOT, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, check=True)
    backend.choose("tensorflow")
    found = network(name)
    with np.load(folder / "weights.npz") as weights:
        found.set_weights([weights[key] for key in weights.files])
    return found


def main(name: str, folder: Path) -> None:
    """Write ONNX as the package stage does, and the weights."""
    backend.choose("torch")
    import keras

    from stages.backends.keras.portable import Portable
    from stages.package.onnx import export, fusible

    found = network(name)
    np.savez(folder / "weights.npz", *[keras.ops.convert_to_numpy(weight) for weight in found.weights])
    export(Portable(found).eval(), found.input_shape[1], 20, folder / "model.onnx", OUTPUT)
    fusible(folder / "model.onnx")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
