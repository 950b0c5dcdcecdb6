"""A Triton model repository of a package: ONNX for every model, the SavedModel beside it where there is one.

Two repositories, not one, since Triton has dropped its TensorFlow backend and would refuse the whole of a mixed one.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from stages.config.schema import Triton
from stages.core import download
from stages.core.files import write_text

PLATFORMS = {"onnx": "onnxruntime_onnx", "tensorflow": "tensorflow_savedmodel"}
FILES = {"onnx": "model.onnx", "tensorflow": "model.savedmodel"}
MAPS = ("inputs",)
ENUM = re.compile("(TYPE|KIND)_[A-Z0-9]+")
DOCKERFILE = """\
# docker build -t {name} . && docker run --rm -p 8000:8000 -p 8001:8001 -p 8002:8002 {name}
# The TensorFlow repository needs an image that still has that backend:
# docker build -t {name} --build-arg REPOSITORY=tensorflow --build-arg IMAGE=… .
ARG IMAGE={image}
FROM ${{IMAGE}}
ARG REPOSITORY=onnx
COPY ${{REPOSITORY}} /models
EXPOSE 8000 8001 8002
USER 1000:1000
CMD ["tritonserver", "--model-repository=/models"]
"""


def config(name: str, size: int, labels: list[str], batching: Triton) -> dict[str, Any]:
    """Return the model configuration (inference.ModelConfig), but for the platform; the v2 service tells it too."""
    pixels = {"data_type": "TYPE_UINT8", "dims": [size, size, 3]}
    output = {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [len(labels)], "label_filename": "labels.txt"}
    sizes = sorted({1, *batching.preferred_batch_sizes, batching.max_batch_size})
    return {
        "name": name,
        "max_batch_size": batching.max_batch_size,
        "input": [{"name": "pixels", **pixels}],
        "output": [output],
        "dynamic_batching": {
            "preferred_batch_size": batching.preferred_batch_sizes,
            "max_queue_delay_microseconds": batching.queue_delay_us,
            "default_queue_policy": {"max_queue_size": batching.queue_size},
        },
        "model_warmup": [
            {
                "name": f"batch of {count}",
                "batch_size": count,
                "inputs": {"pixels": {**pixels, "zero_data": True}},
            }
            for count in sizes
        ],
    }


def pbtxt(message: dict[str, Any], indent: str = "") -> str:
    """Return a message in protobuf's text format, in which a map is a list of keys and values."""
    lines = []
    for name, value in message.items():
        if name in MAPS:
            value = [{"key": key, "value": item} for key, item in value.items()]
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                lines.append(f"{indent}{name} {{\n{pbtxt(item, indent + '  ')}{indent}}}\n")
            else:
                text = item if ENUM.fullmatch(str(item)) else json.dumps(item)
                lines.append(f"{indent}{name}: {text}\n")
    return "".join(lines)


def write(folder: Path, message: dict[str, Any], labels: list[str], models: dict[str, Path], image: str) -> None:
    """Write `<repository>/<model>/{config.pbtxt, labels.txt, 1/…}` for each exported model, and a Dockerfile."""
    name = message["name"]
    for repository, model in models.items():
        target = folder / repository / name
        (target / "1").mkdir(parents=True)
        write_text(target / "config.pbtxt", pbtxt({"name": name, "platform": PLATFORMS[repository], **message}))
        write_text(target / "labels.txt", "".join(f"{label}\n" for label in labels))
        place(model, target / "1" / FILES[repository])
    write_text(folder / "Dockerfile", DOCKERFILE.format(name=f"{name}-triton".replace("_", "-"), image=image))


def place(model: Path, target: Path) -> None:
    """Put a model's file there as a second name of the same bytes; a folder is moved."""
    if model.is_dir():
        shutil.move(model, target)
    else:
        download.link_or_copy(model, target)
