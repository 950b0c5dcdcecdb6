"""TorchServe's handler for a packaged image classifier: picture in, `{label: probability}` of the best class out."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from decode import pixels  # type: ignore[import-not-found]  # travels in the archive, beside this file
from ts.torch_handler.base_handler import BaseHandler  # type: ignore[import-not-found]


class Handler(BaseHandler):  # type: ignore[misc]
    """Decodes and resizes exactly as training did, and answers the most probable class."""

    def initialize(self, context: Any) -> None:
        """Load the model, the labels and what they expect of a picture."""
        super().initialize(context)
        folder = Path(context.system_properties["model_dir"])
        self.input = json.loads((folder / "input.json").read_text())
        self.labels = json.loads((folder / "index_to_name.json").read_text())

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return normalised images, N x 3 x H x W."""
        size, resize = self.input["size"], self.input["resize"]
        images = np.stack([pixels(picture(row), size, resize) for row in data])
        mean, std = (torch.tensor(self.input[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
        return ((torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std).to(self.device)

    def postprocess(self, data: torch.Tensor) -> list[dict[str, float]]:
        """Return the best label of each image and its probability."""
        best = data.softmax(dim=1).max(dim=1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [{self.labels[str(index)]: probability} for index, probability in pairs]


def picture(row: dict[str, Any]) -> bytes:
    """Return the bytes of a request's picture; text is taken for base64."""
    content = row.get("data") or row.get("body")
    return base64.b64decode(content) if isinstance(content, str) else bytes(content or b"")
