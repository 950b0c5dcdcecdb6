"""`python -m stages.preprocess dataset=NAME`: decode, resize, split and pack a fetched dataset."""

import shutil
from pathlib import Path
from typing import Any

from stages.config.command import stage_command
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.errors import UserError
from stages.core.files import hash_json, read_json, write_json
from stages.core.workspace import PREPARED, RAW
from stages.layouts.base import SYNTHETIC, layout
from stages.preprocess.metadata import write_metadata
from stages.preprocess.pack import pack
from stages.preprocess.report import report, sample_sheet
from stages.preprocess.split import require_pictures, require_test
from stages.preprocess.store import METADATA, Store


@stage_command("preprocess", select="dataset")
def main(job: StageContext) -> None:
    """Decodes, resizes, splits and packs a fetched dataset into data/prepared/NAME, with a report and samples."""
    config, engine = job.dataset.preprocess, job.executor
    raw = job.workspace.input(RAW, job.name)
    fetched = read_json(raw / "fetch.json")
    published = layout(job.dataset.fetch.layout, job.tree.plugins)
    with job.workspace.output(PREPARED, job.name) as folder:
        scratch = folder / "nested"
        entries = published.entries(raw / fetched["file"], scratch)
        wanted = [entry.split for entry in entries if entry.label and not entry.unwanted]
        fractions = f"datasets.{job.name}.preprocess.split"
        if wanted:
            require_test(wanted, config.split, fractions)
        manifest = pack(entries, config, folder, engine)
        shutil.rmtree(scratch, ignore_errors=True)
        found = report(job.name, fetched["url"], manifest, config)
        require(job.name, found, fractions, len(manifest), collection=not wanted)
        metadata = published.metadata(raw / fetched["file"])
        if metadata is not None:
            digest = write_metadata(folder / METADATA, metadata, manifest)
            found["fingerprint"] = hash_json([found["fingerprint"], digest])
        if published.caveat and fetched["url"] != SYNTHETIC:
            found["caveat"] = published.caveat
        if published.kind:
            write_classes(folder, published.kind, found["labels"])
        write_json(folder / "report.json", found)
        sample_sheet(Store(folder), folder / "samples.png")
    tell(job.name, found)


def require(name: str, found: dict[str, Any], fractions: str, count: int, collection: bool) -> None:
    """Raise a UserError where nothing was kept, or of pictures with classes a split or a class is empty."""
    if not (any(found["splits"].values()) if collection else found["labels"]):
        raise UserError(f"{name}: not one of {count} pictures could be decoded{'' if collection else ' for training'}")
    if not collection:
        require_pictures(found["splits"], found["labels"], fractions)


def write_classes(folder: Path, kind: str, labels: list[str]) -> None:
    """Write which number a class has, and which class a number."""
    write_json(folder / f"{kind}_to_class_id.json", {label: number for number, label in enumerate(labels)})
    write_json(folder / f"class_id_to_{kind}.json", {str(number): label for number, label in enumerate(labels)})


def tell(name: str, found: dict[str, Any]) -> None:
    """Print the counts and the first few pictures that were dropped."""
    counts = ", ".join(f"{split} {sum(labels.values())}" for split, labels in found["splits"].items())
    console.print(f"prepared {name}: {counts}; {found['duplicates']} duplicates, {len(found['dropped'])} dropped")
    for item in found["dropped"][:5]:
        console.print(f"  dropped {item['path']}: {item['why']}", markup=False)


if __name__ == "__main__":
    main()
