"""What is known of every picture that was kept, beyond its class: a table of strings, in the order of the store."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.preprocess.store import by_split

BATCH = 10_000
Published = Iterable[tuple[str, dict[str, str]]]


def write_metadata(target: Path, published: Published, manifest: pa.Table) -> str:
    """Write one row for every kept picture of the manifest, in the order of the store; return their hash.

    `published` yields path and values, by column, of every picture; all have the same columns.
    """
    kept = manifest.filter(pc.is_null(manifest["dropped"]))
    place = {path: number for number, path in enumerate(kept["path"].take(by_split(kept)).to_pylist())}
    digest = hashlib.sha256()
    found: list[int] = []
    tables = []
    for batch in batches((place[path], values) for path, values in published if path in place):
        found += [number for number, _ in batch]
        tables.append(pa.Table.from_pylist([values for _, values in batch], schema=strings(batch[0][1])))
        for item in batch:
            digest.update(json.dumps(item).encode())
    whole = pa.concat_tables(tables)
    pq.write_table(whole.take(inverse(found)), target)
    return digest.hexdigest()


def batches(items: Iterator[tuple[int, dict[str, str]]]) -> Iterator[list[tuple[int, dict[str, str]]]]:
    """Yield items by the thousand: as Arrow holds them they take a fraction of the memory."""
    while batch := list(islice(items, BATCH)):
        yield batch


def strings(values: dict[str, str]) -> pa.Schema:
    """Return the schema of such values."""
    return pa.schema([(name, pa.string()) for name in values])


def inverse(places: list[int]) -> pa.Array:
    """Return which item is at each place."""
    order = [0] * len(places)
    for item, place in enumerate(places):
        order[place] = item
    return pa.array(order)
