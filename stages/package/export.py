"""From a trained model to the files that other runtimes load, each asked the same images as the native model."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stages.backends.base import framework
from stages.config.schema import Package
from stages.package import keras, onnx, torchserve, triton
from stages.package.parity import Parity, compare
from stages.preprocess.store import Images
from stages.train.model import Description, Probabilities

Answers = tuple[Probabilities, dict[str, Probabilities]]


def export(trained: Path, model: Description, config: Package, images: Images, folder: Path) -> dict[str, Parity]:
    """Write every format of a model into the folder; return how far each lies from the native model."""
    kind = of_keras if model.framework == "keras" else of_lightning
    native, answers = kind(trained, model, config, images, folder)
    repositories = {name: folder / file for name, file in triton.FILES.items() if (folder / file).exists()}
    message = triton.config(model.name, model.size, model.labels, config.triton)
    triton.write(folder / "triton", message, model.labels, repositories, config.triton.image)
    return {name: compare(native, answer) for name, answer in answers.items()}


def of_lightning(trained: Path, model: Description, config: Package, images: Images, folder: Path) -> Answers:
    """Write ONNX and TorchServe's archive."""
    chosen = framework("lightning")
    portable = chosen.portable(trained, model)
    onnx.export(portable, model.size, config.opset, folder / "model.onnx")
    torchserve.archive(portable.get_submodule("network"), model, config.mar_version, folder)
    return chosen.native(trained, model)(images), {"onnx": onnx.ask(folder / "model.onnx", images)}


def of_keras(trained: Path, model: Description, config: Package, images: Images, folder: Path) -> Answers:
    """Write ONNX here, by Keras on torch, and meanwhile the SavedModel in a process of TensorFlow's."""
    chosen = framework("keras")
    with ThreadPoolExecutor(1) as beside:
        exporting = beside.submit(keras.export, trained, images, folder)
        onnx.export(chosen.portable(trained, model), model.size, config.opset, folder / "model.onnx")
        onnx.fusible(folder / "model.onnx")
        tensorflow = exporting.result()
    on_torch = model.config["backend"] == "torch"
    native = chosen.native(trained, model)(images) if on_torch else tensorflow.native
    return native, {"onnx": onnx.ask(folder / "model.onnx", images), "savedmodel": tensorflow.savedmodel}
