"""`python -m stages.package model=NAME`: export a trained model to ONNX, prove it equal, archive it for TorchServe."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.console import console
from stages.door import Job, door
from stages.errors import UserError
from stages.files import sha256_file, write_json
from stages.place import MODEL, PACKAGE, PREPARED
from stages.preprocess.store import Store
from stages.tracking import continued

if TYPE_CHECKING:
    from stages.package.onnx import Parity
    from stages.train.model import Description


@door("package", picks="model")
def main(job: Job) -> None:
    """Write model.onnx, model.json, parity.json and the .mar; register the model."""
    from stages.package import onnx, torchserve
    from stages.package.register import register
    from stages.train.model import classifier

    config = job.model.package
    trained = job.place.read(MODEL, job.name)
    store = Store(job.place.read(PREPARED, job.model.dataset))
    weights = sha256_file(trained / "weights.safetensors")
    model, description = classifier(trained)
    images = onnx.chosen(store.split("test"), config.parity_images)
    with job.place.write(PACKAGE, job.name) as folder:
        onnx.export(model, description.size, config.opset, folder / "model.onnx")
        found = onnx.parity(model, folder / "model.onnx", images)
        refuse_drift(job.name, found, config.parity)
        write_json(folder / "parity.json", found.record)
        torchserve.archive(model.network, description, config.mar_version, folder)
        content = sha256_file(folder / "model.onnx")
        write_json(folder / "model.json", contract(description, content, weights))
    package = job.place.root / PACKAGE.format(job.name)
    with continued(job, weights) as run:
        register(run, description, package, content, store.report["source"], images[:1])
    tell(job.name, package, found)


def refuse_drift(name: str, found: "Parity", limit: float) -> None:
    """Raise a UserError where ONNX Runtime answers otherwise than the native network."""
    if not found.largest <= limit:
        raise UserError(
            f"models.{name}.package.parity: probabilities differ by up to {found.largest:.2g} "
            f"on {found.images} images, more than {limit:g}; nothing is packaged. Try another package.opset"
        )


def contract(model: "Description", onnx: str, weights: str) -> dict[str, Any]:
    """Return what a server needs to know of the package."""
    return {
        "name": model.name,
        "dataset": model.dataset,
        "labels": model.labels,
        "size": model.size,
        "resize": model.resize,
        "input": {"name": "pixels", "dtype": "uint8", "shape": [-1, model.size, model.size, 3]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [-1, len(model.labels)]},
        "sha256": {"onnx": onnx, "weights": weights},
        "trained": {name: value for name, value in model.trained.items() if name != "config"},
    }


def tell(name: str, folder: Path, found: "Parity") -> None:
    """Print what was packaged."""
    size = (folder / "model.onnx").stat().st_size / 2**20
    console.print(
        f"packaged {name}: model.onnx {size:.1f} MB, |Δp| ≤ {found.largest:.1e} on {found.images} test images"
    )


if __name__ == "__main__":
    main()
