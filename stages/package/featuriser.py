"""`python -m stages.package.featuriser index=NAME`: a network cut at a layer, as ONNX, proven to answer alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.config.command import stage_command
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.files import hash_file, write_json
from stages.core.redaction import redact_url
from stages.core.registry import TRAINED
from stages.core.workspace import FEATURISER, MODEL, PREPARED
from stages.package.cut.source import Source, of_model, of_network
from stages.preprocess.store import Images, Store

if TYPE_CHECKING:
    from torch import nn

    from stages.package.parity import Parity

OUTPUT = "features"


@stage_command("featuriser", select="index")
def main(job: StageContext) -> None:
    """Exports the feature extractor of an index to ONNX, and proves that it answers as the native network does."""
    from stages.package.cut import featuriser
    from stages.package.parity import refuse_drift

    config = job.index.features
    store = Store(job.workspace.input(PREPARED, job.index.dataset))
    source = of_index(job, store)
    images = some(store, config.parity_images)
    with job.workspace.output(FEATURISER, job.name) as folder:
        network = featuriser(source)
        found = export(network, source, config.opset, images, folder / "model.onnx")
        refuse_drift(f"indexes.{job.name}.features.parity", {"onnx": found}, config.parity)
        write_json(folder / "parity.json", {"onnx": found.record})
        write_json(folder / "model.json", contract(job, source, store, folder / "model.onnx"))
    tell(job, found)


def of_index(job: StageContext, store: Store) -> Source:
    """Return what the index's featuriser is cut from."""
    config = job.index.features
    if config.weights != TRAINED:
        return of_network(config, store.size, job.tree.plugins)
    return of_model(config, job.workspace.input(MODEL, config.network), store.size, job.index.dataset)


def some(store: Store, count: int) -> Images:
    """Return pictures spread over a prepared dataset, or all where there are fewer."""
    images = store.everything().images
    return np.asarray(images[np.unique(np.linspace(0, len(images) - 1, count).astype(int))])


def export(network: "nn.Module", source: Source, opset: int, images: Images, file: Path) -> "Parity":
    """Write the network as ONNX; return how far its features lie from the native ones."""
    import torch

    from stages.package import onnx
    from stages.package.parity import Parity

    with torch.inference_mode():
        native = network(torch.from_numpy(images.copy())).cpu().numpy()
    onnx.export(network, source.size, opset, file, OUTPUT)
    if source.framework == "keras":
        onnx.fusible(file)
    return Parity(len(images), float(np.abs(native - onnx.ask(file, images, OUTPUT)).max()))


def contract(job: StageContext, source: Source, store: Store, file: Path) -> dict[str, Any]:
    """Return what whoever asks the featuriser needs to know."""
    import onnx

    dimension = onnx.load(file).graph.output[0].type.tensor_type.shape.dim[1].dim_value
    return {
        "name": job.name,
        "dataset": job.index.dataset,
        "network": source.name,
        "weights": redact_url(source.weights).rpartition("/")[2],
        "layer": source.layer,
        "size": store.size,
        "resize": store.report["resize"],
        "input": {"name": "pixels", "dtype": "uint8", "shape": [-1, store.size, store.size, 3]},
        "output": {"name": OUTPUT, "dtype": "float32", "shape": [-1, dimension]},
        "sha256": {"onnx": hash_file(file)},
    }


def tell(job: StageContext, found: "Parity") -> None:
    """Print what was packaged."""
    file = job.workspace.root / FEATURISER.format(job.name) / "model.onnx"
    size = file.stat().st_size / 2**20
    console.print(
        f"packaged the featuriser of {job.name}: model.onnx {size:.1f} MB; "
        f"onnx |Δ| ≤ {found.largest:.1e} on {found.images} pictures"
    )


if __name__ == "__main__":
    main()
