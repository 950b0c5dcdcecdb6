"""What a Keras model is packaged as besides ONNX: a SavedModel and a `.keras` file, by a process of its own.

`python -m stages.package.keras MODEL FOLDER` computes with TensorFlow, while the package stage exports ONNX
through Keras' torch backend; one process cannot do both.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.archive import write_zip
from stages.core.errors import UserError
from stages.core.workspace import CODE_ROOT
from stages.preprocess.store import Images
from stages.train.model import Probabilities, describe

SAVEDMODEL = "model.savedmodel"
SHARED = re.compile(r'("shared_object_id": )(\d+)')
PIXELS, ANSWERS = "pixels.npy", "answers.npz"


@dataclass(frozen=True)
class Answered:
    """The probabilities (N x classes) that TensorFlow gives: Keras itself, and the SavedModel as it was read back."""

    native: Probabilities
    savedmodel: Probabilities


def export(trained: Path, images: Images, folder: Path) -> Answered:
    """Write `model.savedmodel/` and `model.keras` into the folder, in another process; return its answers."""
    np.save(folder / PIXELS, images)
    command = [sys.executable, "-m", "stages.package.keras", str(trained), str(folder)]
    modules = os.pathsep.join(filter(None, (str(CODE_ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": modules}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"{trained.name}: TensorFlow could not export it:\n{done.stderr.strip()[-2000:]}")
    with np.load(folder / ANSWERS) as found:
        answers = Answered(found["native"], found["savedmodel"])
    (folder / PIXELS).unlink()
    (folder / ANSWERS).unlink()
    return answers


def main(trained: Path, folder: Path) -> None:
    """Export a trained model and answer for the images that lie in the folder."""
    from stages.backends.keras import backend

    backend.choose("tensorflow")
    from stages.backends.keras import model

    images = np.load(folder / PIXELS)
    network = model.restore(trained, describe(trained))
    write_keras(network, folder / "model.keras")
    served = model.served(network)
    write_savedmodel(served, folder / SAVEDMODEL)
    np.savez(folder / ANSWERS, native=served.predict_on_batch(images), savedmodel=ask(folder / SAVEDMODEL, images))


def write_keras(network: Any, path: Path) -> None:
    """Write Keras' own format, without the date and the memory addresses in it."""
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(files["metadata.json"])
    metadata.pop("date_saved")
    files["metadata.json"] = json.dumps(metadata).encode()
    files["config.json"] = numbered(files["config.json"].decode()).encode()
    write_zip(path, files.items())


def numbered(config: str) -> str:
    """Return Keras' configuration with its shared objects numbered from 1 on; they are named by their addresses."""
    known: dict[str, int] = {}
    return SHARED.sub(lambda found: f"{found[1]}{known.setdefault(found[2], len(known) + 1)}", config)


def write_savedmodel(served: Any, folder: Path) -> None:
    """Write a model of raw pixels as one frozen graph: Keras' own export gives other bytes each time."""
    import tensorflow
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    v1 = tensorflow.compat.v1
    v1.logging.set_verbosity(v1.logging.ERROR)
    pixels = tensorflow.TensorSpec(served.input_shape, tensorflow.uint8, name="pixels")
    function = tensorflow.function(lambda pixels: served(pixels, training=False)).get_concrete_function(pixels)
    frozen = convert_variables_to_constants_v2(function)
    with tensorflow.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tensorflow.import_graph_def(frozen.graph.as_graph_def(), name="")
        ends = {"pixels": frozen.inputs[0], "probabilities": frozen.outputs[0]}
        inputs, outputs = ({name: graph.get_tensor_by_name(ends[name].name)} for name in ends)
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.predict_signature_def(inputs, outputs)
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    (folder / "variables").rmdir()


def ask(folder: Path, images: Images) -> Probabilities:
    """Return a SavedModel's answers, in one batch and, for the first image, alone."""
    import tensorflow

    signature = tensorflow.saved_model.load(str(folder)).signatures["serving_default"]
    batch: Probabilities = signature(pixels=tensorflow.constant(images))["probabilities"].numpy()
    alone = signature(pixels=tensorflow.constant(images[:1]))["probabilities"].numpy()
    return np.concatenate([alone, batch[1:]])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
