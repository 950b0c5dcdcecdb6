"""An index folder as an MLflow model: `mlflow.pyfunc.load_model(…).predict(frame)`; nothing in it is pickled."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.index.collection import FEATURISER, Collection
from stages.index.conditional.where import where_of
from stages.runtime import Network

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = 10


class Similar:
    """Answers rows of `image` (a picture's bytes) and, where given, `n` and `where` (JSON: column → labels)."""

    def __init__(self, folder: Path) -> None:
        self.collection = Collection(folder)
        self.featuriser = Network(folder / FEATURISER)

    def predict(self, frame: "pd.DataFrame") -> list[list[list[Any]]]:
        """Return for every row the best matches: [metadata, score], …"""
        return [self._found(row) for row in frame.to_dict(orient="records")]

    def _found(self, row: Mapping[Hashable, Any]) -> list[list[Any]]:
        vector = self.featuriser.run(self.featuriser.decode(row["image"])[np.newaxis])
        choice = row.get("where")
        where = where_of(json.loads(choice)) if isinstance(choice, str) else None
        found = self.collection.index.query(vector, int(row.get("n", DEFAULT)), where)
        pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
        return [[self.collection.metadata(number), score] for number, score in pairs]


def _load_pyfunc(path: str) -> Similar:  # the name that MLflow calls
    return Similar(Path(path))
