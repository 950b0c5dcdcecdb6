"""What a stage is given, and what it gives back."""

from dataclasses import dataclass

from stages.engine import Engine, engine
from stages.index_schema import Index
from stages.place import Place
from stages.schema import Dataset, Model, Tree


@dataclass(frozen=True)
class Result:
    """What a sweep compares its jobs by: `min.NAME` or `max.NAME`, and metrics that hold NAME."""

    monitor: str
    metrics: dict[str, float]

    @property
    def value(self) -> float:
        """The monitored metric."""
        return self.metrics[self.monitor.partition(".")[2]]


@dataclass(frozen=True)
class Job:
    """What a stage is called with: the tree, the dataset or model it works on, and its place."""

    stage: str
    tree: Tree
    name: str
    place: Place

    @property
    def model(self) -> Model:
        """The model that was chosen."""
        return self.tree.models[self.name]

    @property
    def dataset(self) -> Dataset:
        """The dataset that was chosen."""
        return self.tree.datasets[self.name]

    @property
    def index(self) -> Index:
        """The index that was chosen."""
        return self.tree.indexes[self.name]

    @property
    def engine(self) -> Engine:
        """Where many pictures are fetched, prepared, and featurised for an index."""
        return engine(self.tree.engine)
