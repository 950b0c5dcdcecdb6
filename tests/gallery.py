"""A small collection: 60 pictures whose colour is their culture and whose light is their medium."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper

from stages.config.schema import Index
from stages.core.files import hash_file, write_json
from stages.index.build import Source, build
from stages.index.collection import Collection
from stages.preprocess.store import Everything
from tests.conftest import tree

CULTURES = {"dutch": (220, 120, 40), "french": (60, 90, 220), "japanese": (210, 60, 90), "egyptian": (190, 180, 60)}
MEDIA = {"paintings": 1.0, "prints": 0.75, "ceramics": 0.5}
COUNT, SIZE = 60, 32


def colours(size: int, folder: Path) -> Path:
    """Write a featuriser: the mean colour of a picture, in two bands, at unit length."""
    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "side"], ["columns"], keepdims=0),
        helper.make_node("Reshape", ["columns", "bands"], ["banded"]),
        helper.make_node("ReduceMean", ["banded", "side"], ["means"], keepdims=0),
        helper.make_node("Reshape", ["means", "flat"], ["row"]),
        helper.make_node("LpNormalization", ["row"], ["features"], axis=1, p=2),
    ]
    constants = {"side": [2], "bands": [-1, 2, size // 2, 3], "flat": [-1, 6]}
    initializers = [helper.make_tensor(name, TensorProto.INT64, [len(v)], v) for name, v in constants.items()]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", size, size, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 6])
    graph = helper.make_graph(nodes, "colours", [pixels], [features], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    contract = {
        "name": "mosaic",
        "size": size,
        "resize": "squash",
        "input": {"name": "pixels"},
        "output": {"name": "features"},
        "sha256": {"onnx": hash_file(folder / "model.onnx")},
    }
    write_json(folder / "model.json", contract)
    return folder


def artworks(count: int = COUNT, size: int = SIZE) -> Iterator[tuple[np.ndarray, dict[str, str]]]:
    """Yield pictures and what is known of them."""
    rng = np.random.default_rng(5)
    for number in range(count):
        culture, medium = list(CULTURES)[number % 4], list(MEDIA)[number // 4 % 3]
        colour = np.array(CULTURES[culture]) * MEDIA[medium] + rng.normal(0, 8, 3)
        noisy = colour + rng.normal(0, 20, (size, size, 3))
        yield (
            np.clip(noisy, 0, 255).astype(np.uint8),
            {
                "id": f"work-{number}",
                "Title": f"Untitled no. {number}",
                "Artist": f"Artist {number % 7}",
                "Culture": culture,
                "Classification": medium,
            },
        )


def source(count: int = COUNT, size: int = SIZE) -> Source:
    """Return the pictures as what an index is built of."""
    pictures, known = zip(*artworks(count, size), strict=True)
    sizes = np.array([(300, 200) if number % 2 else (200, 300) for number in range(count)], np.int32)
    return Source(
        Everything(np.stack(pictures), pa.Table.from_pylist(list(known)), sizes),
        "squash",
        "data",
        "synthetic",
    )


def gallery(folder: Path, config: Index | None = None) -> Collection:
    """Build the index `mosaic` in `<folder>/mosaic` and open it; the caller sets DVC_ROOT, where features are kept."""
    featuriser = colours(SIZE, folder / "featuriser")
    (folder / "mosaic").mkdir()
    return build("mosaic", config or tree().indexes["mosaic"], source(), featuriser, folder / "mosaic").collection
