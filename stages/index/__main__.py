"""`python -m stages.index index=NAME`: a prepared dataset, searchable by what a featuriser says of its pictures."""

from typing import TYPE_CHECKING, Any

from stages.console import console
from stages.door import door
from stages.files import write_json
from stages.job import Job
from stages.place import FEATURISER, INDEX, PREPARED, REPORT
from stages.preprocess.store import Store
from stages.tracking import continued, flat

if TYPE_CHECKING:
    from stages.index.collection import Collection

METRICS, WALL = "metrics.json", "wall.png"


@door("index", picks="index")
def main(job: Job) -> None:
    """Write the index folder and, beside the models' reports, how good it is; register it."""
    from stages.index.build import build, source
    from stages.index.quality import quality
    from stages.index.wall import wall

    engine = job.engine
    pictures = source(Store(job.place.read(PREPARED, job.index.dataset)))
    featuriser = job.place.read(FEATURISER, job.name)
    with job.place.write(INDEX, job.name) as folder, job.place.write(REPORT, job.name) as report:
        collection, measured = build(job.name, job.index, pictures, featuriser, folder, engine)
        found = quality(collection, job.index.quality, job.tree.seed)
        if measured is not None:
            found["approximate"] = measured._asdict()
        write_json(report / METRICS, found)
        wall(collection, report / WALL)
    record(job, collection, found, pictures.url)
    tell(job.name, collection, found)


def record(job: Job, collection: "Collection", found: dict[str, Any], url: str) -> None:
    """Tell MLflow: values, numbers, the wall, and the whole folder as a registered model."""
    from stages.index.register import register

    report = job.place.root / REPORT.format(job.name)
    with continued(job, collection.about["fingerprint"]) as run:
        run.params(flat(vars(job.index) | {"features": vars(job.index.features)}, f"indexes.{job.name}"))
        run.metrics({name: value for name, value in flat(found, "").items() if isinstance(value, float)})
        for name in (METRICS, WALL):
            run.artifact(report / name)
        register(run, job.name, job.place.root / INDEX.format(job.name), collection.about["fingerprint"], url)


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
