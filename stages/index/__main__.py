"""`python -m stages.index index=NAME`: a prepared dataset, searchable by what a featuriser says of its pictures."""

from typing import TYPE_CHECKING, Any

from stages.config.command import stage_command
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.files import write_json
from stages.core.tracking import continue_run, flatten
from stages.core.workspace import FEATURISER, INDEX, PREPARED, REPORT
from stages.preprocess.store import Store

if TYPE_CHECKING:
    from stages.index.collection import Collection

METRICS, WALL = "metrics.json", "wall.png"


@stage_command("index", select="index")
def main(job: StageContext) -> None:
    """Builds a searchable index of a prepared dataset's pictures, measures its quality and registers it."""
    from stages.index.build import build, source
    from stages.index.quality import quality
    from stages.index.wall import wall

    engine = job.executor
    pictures = source(Store(job.workspace.input(PREPARED, job.index.dataset)))
    featuriser = job.workspace.input(FEATURISER, job.name)
    with job.workspace.output(INDEX, job.name) as folder, job.workspace.output(REPORT, job.name) as report:
        collection, measured = build(job.name, job.index, pictures, featuriser, folder, engine)
        found = quality(collection, job.index.precision_k, job.tree.seed)
        if measured is not None:
            found["approximate"] = measured._asdict()
        write_json(report / METRICS, found)
        wall(collection, report / WALL)
    record(job, collection, found, pictures.url)
    tell(job.name, collection, found)


def record(job: StageContext, collection: "Collection", found: dict[str, Any], url: str) -> None:
    """Tell MLflow: values, numbers, the wall, and the whole folder as a registered model."""
    from stages.index.register import register

    report = job.workspace.root / REPORT.format(job.name)
    with continue_run(job, collection.about["fingerprint"]) as run:
        run.log_params(flatten(vars(job.index) | {"features": vars(job.index.features)}, f"indexes.{job.name}"))
        run.log_metrics({name: value for name, value in flatten(found, "").items() if isinstance(value, float)})
        for name in (METRICS, WALL):
            run.log_artifact(report / name)
        register(run, job.name, job.workspace.root / INDEX.format(job.name), collection.about["fingerprint"], url)


def tell(name: str, collection: "Collection", found: dict[str, Any]) -> None:
    """Print what was made."""
    parts = [f"indexed {name}: {len(collection):,} pictures, {collection.index.dimension:,} features"]
    for column in collection.blocks:
        numbers = found.get(column)
        if numbers:
            k, value = next(iter(numbers.items()))
            parts.append(f"{k.replace('_', ' ')} by {column} {value:.1%} (chance {numbers['chance']:.1%})")
    console.print("; ".join(parts))


if __name__ == "__main__":
    main()
