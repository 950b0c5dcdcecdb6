"""An index folder, written: vectors, blocks, metadata, thumbnails, featuriser, matches."""

import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.console import track
from stages.door import Job
from stages.files import fingerprint
from stages.index.approximate import Approximation
from stages.index.collection import FEATURISER, Collection
from stages.index.conditional import ConditionalIndex
from stages.index.matches import write_matches
from stages.index.records import columns, refuse_twice, write_records
from stages.index.vectors import vectors
from stages.preprocess.store import Everything, Store
from stages.runtime import Network

MATCHES = "matches.parquet"
NETWORK = ("model.onnx", "model.json")


def build(job: Job, store: Store, everything: Everything, featuriser: Path, folder: Path) -> Collection:
    """Write the folder of the job's index and open it."""
    config = job.index
    table = columns(everything.metadata, {*config.blocks, *config.show, config.id_column}, config.dataset)
    refuse_twice(table[config.id_column], config.id_column)
    network = Network(featuriser)
    about = described(job, table, [network.contract["sha256"], store.fingerprint])
    index = ConditionalIndex.build(folder, vectors(network, everything), table, config.blocks, about, track)
    if config.mode == "approximate":
        Approximation.build(index, folder, config.approximate.cells, config.approximate.probes)
    if config.matches.best:
        write_matches(index, folder / MATCHES, config.matches.best, config.matches.memory_mb)
    write_records(everything, str(store.report["resize"]), config.thumbnail, folder)
    (folder / FEATURISER).mkdir()
    for name in NETWORK:
        shutil.copyfile(featuriser / name, folder / FEATURISER / name)
    return Collection(folder)


def described(job: Job, table: dict[str, list[str]], made_of: list[Any]) -> dict[str, Any]:
    """Return what index.json says beside what the index itself does."""
    config = job.index
    return {
        "name": job.name,
        "dataset": config.dataset,
        "id_column": config.id_column,
        "show": config.show,
        "facets": {column: dict(sorted(Counter(table[column]).items())) for column in config.blocks},
        "mode": config.mode,
        "fingerprint": fingerprint([*made_of, asdict(config)]),
    }
