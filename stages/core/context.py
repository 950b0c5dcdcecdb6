"""What a stage is called with, and what it returns to a sweep."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.core.concurrency import Executor, create_executor
from stages.core.workspace import Workspace

if TYPE_CHECKING:
    from stages.config.schema import Dataset, Index, Model, Tree


@dataclass(frozen=True)
class StageResult:
    """What a sweep compares its jobs by.

    Attributes:
        monitor: The name of the metric to compare.
        mode: "min" if less is better, "max" if more is.
        metrics: All metrics of the run; one of them is `monitor`.
    """

    monitor: str
    mode: str
    metrics: dict[str, float]

    @property
    def value(self) -> float:
        """The monitored metric, which an optimizer such as Optuna gets to see."""
        return self.metrics[self.monitor]


@dataclass(frozen=True)
class StageContext:
    """The checked config, the thing to work on, and where to read and write.

    Attributes:
        stage: The stage's name, e.g. "train".
        tree: The config tree. A person's command holds the selected parts of it only.
        name: The selected model, dataset or index; empty for a stage that works on none.
        workspace: Where inputs are read and outputs are written.
        overrides: The config overrides of a person's command line; none for DVC's.
    """

    stage: str
    tree: "Tree"
    name: str
    workspace: Workspace
    overrides: tuple[str, ...] = ()

    @property
    def model(self) -> "Model":
        """The selected model's config."""
        return self.tree.models[self.name]

    @property
    def dataset(self) -> "Dataset":
        """The selected dataset's config."""
        return self.tree.datasets[self.name]

    @property
    def index(self) -> "Index":
        """The selected index's config."""
        return self.tree.indexes[self.name]

    @property
    def executor(self) -> Executor:
        """Where many pictures are fetched, prepared, or embedded for an index."""
        return create_executor(self.tree.engine)
