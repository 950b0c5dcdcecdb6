"""An index folder, written: vectors, blocks, metadata, thumbnails, featuriser, matches."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stages.config.schema import Index
from stages.core.concurrency import Executor
from stages.core.console import track
from stages.core.errors import UserError
from stages.core.files import hash_json
from stages.core.onnx_model import read_metadata
from stages.index.collection import FEATURISER, Collection
from stages.index.conditional import ConditionalIndex
from stages.index.conditional.approximate import Measured, train
from stages.index.matches import write_matches
from stages.index.needs import needs, refuse_small, tell
from stages.index.records import Columns, columns, refuse_twice, write_records
from stages.index.vectors import dimension, vectors
from stages.preprocess.store import Everything, Store

MATCHES = "matches.parquet"
NETWORK = ("model.onnx", "model.json")


@dataclass(frozen=True)
class Source:
    """What is made searchable: a dataset's pictures, how they were made square, what names their content, their URL."""

    everything: Everything
    resize: str
    fingerprint: str
    url: str


class Built(NamedTuple):
    """An index, and what is measured of its approximation, if it has one."""

    collection: Collection
    measured: Measured | None


def source(store: Store) -> Source:
    """Return a prepared dataset as what is made searchable."""
    return Source(store.everything(), str(store.report["resize"]), store.fingerprint, str(store.report["source"]))


def build(
    name: str, config: Index, pictures: Source, featuriser: Path, folder: Path, engine: Executor | None = None
) -> Built:
    """Write an index folder and open it."""
    everything = pictures.everything
    table = columns(
        everything.metadata, {*config.partition_by, *config.display_columns, config.id_column}, config.dataset
    )
    refuse_twice(table[config.id_column], config.id_column)
    refuse_lists(name, config, len(everything))
    found = needs(config, everything, pictures.resize, table, dimension(featuriser), featuriser)
    tell(name, found, config.memory_mb)
    refuse_small(name, found, folder)
    made_of = hash_json([read_metadata(featuriser)["sha256"], pictures.fingerprint, config.model_dump()])
    about = described(name, config, table) | {"fingerprint": made_of, "needs": found}
    index = ConditionalIndex.build(
        folder, vectors(featuriser, everything, engine), table, config.partition_by, about, track
    )
    measured = approximated(index, config) if config.mode == "approximate" else None
    if config.matches.top_k and config.partition_by:
        write_matches(index.stored, folder / MATCHES, config.matches.top_k, config.matches.memory_mb, track)
    write_records(everything, pictures.resize, config.thumbnail, folder)
    (folder / FEATURISER).mkdir()
    for file in NETWORK:
        shutil.copyfile(featuriser / file, folder / FEATURISER / file)
    return Built(Collection(folder), measured)


def refuse_lists(name: str, config: Index, pictures: int) -> None:
    """Raise a UserError where FAISS is to sort pictures into more lists than there are pictures."""
    lists = config.approximate.lists
    if config.mode == "approximate" and lists > pictures:
        raise UserError(f"indexes.{name}.approximate.lists: {lists} for {pictures} pictures; say fewer, or 0 (4 √N)")


def approximated(index: ConditionalIndex, config: Index) -> Measured:
    """Add FAISS's lists to an index; return what they find."""
    given = config.approximate
    return train(index, config.precision_k, given.lists, given.probes, given.recall, watch=track)


def described(name: str, config: Index, table: Columns) -> dict[str, Any]:
    """Return what index.json says beside what the index itself does."""
    return {
        "name": name,
        "dataset": config.dataset,
        "id_column": config.id_column,
        "show": config.display_columns,
        "noun": config.item_name,
        "facets": {column: table.counts(column) for column in config.partition_by},
        "mode": config.mode,
        "memory_mb": config.memory_mb,
    }
