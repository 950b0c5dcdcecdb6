"""An index folder as an MLflow model: `mlflow.pyfunc.load_model(…).predict(frame)`; nothing in it is pickled."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.core.onnx_model import OnnxModel
from stages.index.collection import FEATURISER, Collection
from stages.index.conditional.where import where_of

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = 10


class Similar:
    """Answers rows of `image` (a picture's bytes) and, where given, `n` and `where` (column → labels, JSON or not)."""

    def __init__(self, folder: Path) -> None:
        self.collection = Collection(folder)
        self.featuriser = OnnxModel(folder / FEATURISER)

    def predict(self, frame: "pd.DataFrame") -> list[list[list[Any]]]:
        """Return for every row the best matches: [metadata, score], …"""
        return [self._found(row) for row in frame.to_dict(orient="records")]

    def _found(self, row: Mapping[Hashable, Any]) -> list[list[Any]]:
        vector = self.featuriser.run(self.featuriser.decode(row["image"])[np.newaxis])
        count, choice = (given(row.get(name)) for name in ("n", "where"))
        where = where_of(json.loads(choice) if isinstance(choice, str) else choice or {})
        found = self.collection.index.query(vector, DEFAULT if count is None else int(count), where)
        pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
        return [[self.collection.metadata(number), score] for number, score in pairs]


def given(value: Any) -> Any:
    """Return a cell's value, None where a frame has none there."""
    return None if value is None or value != value else value  # NaN


def _load_pyfunc(path: str) -> Similar:  # the name that MLflow calls
    return Similar(Path(path))
