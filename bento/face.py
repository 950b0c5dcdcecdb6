"""A packaged model as the Open Inference Protocol shows it: under its name for raw pixels, and for encoded pictures."""

from dataclasses import dataclass
from typing import Any

from bento.model import Model

ENCODED = "_jpeg"
IMAGE = "image"
PLATFORM = "onnxruntime_onnx"
TYPES = {"uint8": "UINT8", "float32": "FP32"}


@dataclass(frozen=True)
class Face:
    """A model under one of its two names: of raw pixels, or of encoded pictures."""

    name: str
    model: Model
    encoded: bool
    versions: list[str]

    @property
    def limit(self) -> int:
        """The largest batch."""
        return int(self.model.metadata["triton"]["max_batch_size"])

    @property
    def input(self) -> dict[str, Any]:
        """The input's metadata."""
        if self.encoded:
            return {"name": IMAGE, "datatype": "BYTES", "shape": [-1, 1]}
        return described(self.model.metadata["input"])

    @property
    def output(self) -> dict[str, Any]:
        """The output's metadata."""
        return described(self.model.metadata["output"])

    @property
    def metadata(self) -> dict[str, Any]:
        """What the model takes and gives."""
        head = {"name": self.name, "versions": self.versions, "platform": PLATFORM}
        return {**head, "inputs": [self.input], "outputs": [self.output]}

    @property
    def config(self) -> dict[str, Any]:
        """Triton's model configuration; batches are not gathered here, so it says nothing of that."""
        config: dict[str, Any] = self.model.metadata["triton"]
        pictures = {"name": IMAGE, "data_type": "TYPE_STRING", "dims": [1]}
        kept = {name: config[name] for name in ("max_batch_size", "input", "output")}
        own = {"input": [pictures]} if self.encoded else {}
        return {"name": self.name, "platform": PLATFORM, **kept, **own}


def described(tensor: dict[str, Any]) -> dict[str, Any]:
    """Return a tensor of the package's contract in the protocol's words."""
    return {"name": tensor["name"], "datatype": TYPES[tensor["dtype"]], "shape": tensor["shape"]}
