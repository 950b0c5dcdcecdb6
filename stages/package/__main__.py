"""`python -m stages.package model=NAME`: export a trained model, prove it equal, pack it for other servers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.config.command import stage_command
from stages.config.schema import Package
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.files import hash_file, write_json
from stages.core.tracking import continue_run
from stages.core.workspace import MODEL, PACKAGE, PREPARED
from stages.preprocess.store import Store

if TYPE_CHECKING:
    from stages.package.parity import Parity
    from stages.package.quantize import Edition
    from stages.train.model import Description


@stage_command("package", select="model")
def main(job: StageContext) -> None:
    """Exports a trained model to ONNX and the formats of other servers, proves that they answer alike, registers it."""
    from stages.package.examples import write_examples
    from stages.package.export import export
    from stages.package.gate import refuse_untested
    from stages.package.parity import chosen, refuse_drift
    from stages.package.register import note, register
    from stages.train.model import WEIGHTS, describe

    config = job.model.package
    trained = job.workspace.input(MODEL, job.name)
    store = Store(job.workspace.input(PREPARED, job.model.dataset))
    weights = hash_file(trained / WEIGHTS)
    description = describe(trained)
    test = store.split("test")
    if config.quantize == "int8":
        refuse_untested(f"models.{job.name}.package.quantize", job.model.dataset, test)
    images = chosen(test, config.parity_images)
    with job.workspace.output(PACKAGE, job.name) as folder:
        found = export(trained, description, config, images, folder)
        refuse_drift(f"models.{job.name}.package.parity", found, config.parity)
        edition = int8(folder, store, config, int(description.config["seed"]))
        of_int8 = {"int8": edition.record} if edition else {}
        write_json(folder / "parity.json", {kind: parity.record for kind, parity in found.items()} | of_int8)
        content = hash_file(folder / "model.onnx")
        examples = {"examples": write_examples(test, store.labels, folder)}
        served = {"int8": edition.contract} if edition and edition.passed else {}
        write_json(folder / "model.json", contract(description, config, content, weights) | examples | served)
    package = job.workspace.root / PACKAGE.format(job.name)
    with continue_run(job, weights) as run:
        register(run, description, package, content, store.report["source"], images[:1])
        if edition:
            note(run, description.name, package, content, edition.record)
    tell(job.name, package, found)
    if edition:
        console.print(edition.told(job.name, config), markup=False)


def int8(folder: Path, store: Store, config: Package, seed: int) -> "Edition | None":
    """Make the int8 edition where it is asked for; whether it passed is in what is returned."""
    if config.quantize != "int8":
        return None
    from stages.package.quantize import attempt

    return attempt(folder, store, config, seed)


def contract(model: "Description", config: Package, onnx: str, weights: str) -> dict[str, Any]:
    """Return what a server needs to know of the package."""
    from stages.package import triton

    return {
        "name": model.name,
        "dataset": model.dataset,
        "labels": model.labels,
        "size": model.size,
        "resize": model.resize,
        "input": {"name": "pixels", "dtype": "uint8", "shape": [-1, model.size, model.size, 3]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [-1, len(model.labels)]},
        "sha256": {"onnx": onnx, "weights": weights},
        "triton": triton.config(model.name, model.size, model.labels, config.triton),
        "trained": model.trained,
    }


def tell(name: str, folder: Path, found: dict[str, "Parity"]) -> None:
    """Print what was packaged."""
    size = (folder / "model.onnx").stat().st_size / 2**20
    proofs = ", ".join(f"{kind} |Δp| ≤ {parity.largest:.1e}" for kind, parity in found.items())
    console.print(f"packaged {name}: model.onnx {size:.1f} MB; {proofs} on {found['onnx'].images} test images")


if __name__ == "__main__":
    main()
