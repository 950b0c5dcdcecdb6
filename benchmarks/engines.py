"""ONNX Runtime against the framework that made the model: every model at its documented size, one picture and eight."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.keras_export import MOSAIC, exported
from benchmarks.packages import classifier, described, documented, pictures
from benchmarks.timing import Ratio, race
from stages.core.onnx_model import create_session
from stages.core.system import cpu_count
from stages.preprocess.store import Images

IMAGES, BATCHES = 8, (1, 8)
NEAR = 1e-4

Answers = npt.NDArray[np.float32]
Engine = Callable[[Images], Answers]


def engines(names: list[str] | None = None, rounds: int = 5) -> list[Ratio]:
    """Race every model, and the featuriser of the similar pictures."""
    tree = documented()
    found = []
    for name in names or [*tree.models, MOSAIC]:
        keras = name == MOSAIC or tree.models[name].train.framework == "keras"
        with tempfile.TemporaryDirectory() as folder:
            size, peers = (of_keras if keras else of_torch)(name, Path(folder))
            ours = onnx(Path(folder) / "model.onnx")
            found += [contest(name, size, ours, peers, batch, rounds) for batch in BATCHES]
    return found


def of_torch(name: str, folder: Path) -> tuple[int, dict[str, Engine]]:
    """Export a PyTorch model; return its size and the eager network."""
    import torch

    from stages.package.onnx import export

    tree = documented()
    description = described(tree, name)
    model = classifier(tree.models[name], description)
    export(model, description.size, tree.models[name].package.opset, folder / "model.onnx")
    torch.set_num_threads(cpu_count())

    def eager(images: Images) -> Answers:
        with torch.inference_mode():
            answer: Answers = model(torch.from_numpy(images)).numpy()
        return answer

    return description.size, {"PyTorch eager": eager}


def of_keras(name: str, folder: Path) -> tuple[int, dict[str, Engine]]:
    """Export a Keras model; return its size and the two ways in which Keras answers."""
    model = exported(name, folder)
    whole = partial(model.predict, batch_size=max(BATCHES), verbose=0)
    return model.input_shape[1], {"Keras predict": whole, "Keras predict_on_batch": model.predict_on_batch}


def onnx(file: Path) -> Engine:
    """Return ONNX Runtime with a thread for each core, as the services have it."""
    opened: Any = create_session(file, cpu_count())
    given = opened.get_inputs()[0].name
    return lambda images: opened.run(None, {given: images})[0]


def contest(name: str, size: int, ours: Engine, peers: dict[str, Engine], batch: int, rounds: int) -> Ratio:
    """Race with one batch size; all must answer alike."""
    images = pictures(IMAGES, size)
    for peer, engine in peers.items():
        if not np.allclose(ours(images), engine(images), atol=NEAR):
            raise AssertionError(f"{name}: ONNX Runtime answers otherwise than {peer}")
    entrants: dict[str, Callable[[], object]] = {
        peer: partial(portions, engine, images, batch) for peer, engine in peers.items()
    }
    together = "one picture" if batch == 1 else f"{batch} together"
    claim = f"ONNX Runtime, {name} at {size} px, {together}"
    unit = (IMAGES, "images")
    return race(claim, partial(portions, ours, images, batch), entrants, unit, "reported", rounds)


def portions(engine: Engine, images: Images, batch: int) -> None:
    """Answer all images, some at a time."""
    for start in range(0, len(images), batch):
        engine(images[start : start + batch])
