"""TorchServe's handler for a packaged image classifier: picture in, `{label: probability}` of the best class out.

Runs in TorchServe's own Python, 3.9 in its images.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from image import NotAPicture, TooLarge, Undecodable, pixels  # type: ignore[import-not-found]  # beside this file
from ts.torch_handler.base_handler import BaseHandler


class Handler(BaseHandler):  # type: ignore[misc]
    """Decodes and resizes exactly as training did, and answers the most probable class."""

    def initialize(self, context: Any) -> None:
        """Load the model, the labels and what they expect of a picture."""
        super().initialize(context)
        folder = Path(context.system_properties["model_dir"])
        self.input = json.loads((folder / "input.json").read_text())
        self.labels = json.loads((folder / "index_to_name.json").read_text())

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return normalised images, N x 3 x H x W; a picture that cannot be read is black here and refused later."""
        size, resize = self.input["size"], self.input["resize"]
        images = np.zeros((len(data), size, size, 3), np.uint8)
        self.refused = {}
        for row, sent in enumerate(data):
            try:
                images[row] = pixels(picture(sent), size, resize)
            except Undecodable as error:
                self.refused[row] = refusal(error)
        mean, std = (torch.tensor(self.input[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
        return ((torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std).to(self.device)

    def postprocess(self, data: torch.Tensor) -> list[dict[str, Any]]:
        """Return the best label of each image and its probability, or why it was refused, with its status."""
        probabilities = data.softmax(dim=1)
        answers = [{self.labels[str(int(row.argmax()))]: float(row.max())} for row in probabilities]
        for row, refused in self.refused.items():
            self.context.set_response_status(code=refused["code"], phrase=refused["type"], idx=row)
            answers[row] = refused
        return answers


def picture(row: dict[str, Any]) -> bytes:
    """Return the bytes of a request's picture; text is taken for base64."""
    content = row.get("data") or row.get("body")
    return base64.b64decode(content) if isinstance(content, str) else bytes(content or b"")


def refusal(error: Undecodable) -> dict[str, Any]:
    """Return what the services of this project answer too: 415 no picture, 413 too large, 400 broken."""
    if isinstance(error, NotAPicture):
        return {"code": 415, "type": "UnsupportedMediaTypeException", "message": f"Not a picture: {error}"}
    if isinstance(error, TooLarge):
        return {"code": 413, "type": "PayloadTooLargeException", "message": f"The picture is too large: {error}"}
    return {"code": 400, "type": "BadRequestException", "message": f"The picture cannot be decoded: {error}"}
