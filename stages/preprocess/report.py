"""What preprocess found and did, for people (a sample sheet) and for later stages (report.json)."""

import hashlib
import json
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.config.schema import Preprocess
from stages.core.contact_sheet import write_contact_sheet
from stages.core.files import hash_json
from stages.preprocess.split import NAMES, UNLABELLED
from stages.preprocess.store import Split, Store

SAMPLES = 32
BATCH = 10_000


def report(name: str, source: str, manifest: pa.Table, config: Preprocess) -> dict[str, Any]:
    """Summarise the manifest: labels, counts for each split and label, what was dropped and why, duplicates."""
    kept = manifest.filter(pc.is_null(manifest["dropped"]))
    contents = kept.filter(pc.is_valid(kept["label"])).select(["sha256", "label"]).group_by(["sha256", "label"])
    labelled = contents.aggregate([])
    gone = manifest.filter(pc.is_valid(manifest["dropped"])).select(["path", "dropped"])
    return {
        "dataset": name,
        "source": source,
        "size": config.size,
        "resize": config.resize,
        "labels": sorted(pc.unique(labelled["label"]).to_pylist()),
        "splits": {split: counts(kept, split) for split in (*NAMES, UNLABELLED)},
        "duplicates": len(kept) - pc.count_distinct(kept["sha256"]).as_py(),
        "contradictory_labels": len(labelled) - pc.count_distinct(labelled["sha256"]).as_py(),
        "dropped": [{"path": row["path"], "why": row["dropped"]} for row in gone.to_pylist()],
        "remarks": remarks(manifest),
        "fingerprint": hash_json([config.size, config.resize, content(kept)]),
    }


def content(kept: pa.Table) -> str:
    """Return a hash of what is in the store: every picture's path, label, split and bytes."""
    digest = hashlib.sha256()
    for batch in kept.select(["path", "label", "split", "sha256"]).to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            digest.update(json.dumps(list(row.values())).encode())
    return digest.hexdigest()


def remarks(manifest: pa.Table) -> dict[str, list[str]]:
    """Return what the layout found wrong → the pictures, kept or dropped."""
    found: dict[str, list[str]] = {}
    for row in manifest.filter(pc.is_valid(manifest["remark"])).select(["path", "remark"]).to_pylist():
        found.setdefault(row["remark"], []).append(row["path"])
    return found


def counts(kept: pa.Table, split: str) -> dict[str, int]:
    """Return label → number of images in a split."""
    labels = kept.filter(pc.equal(kept["split"], split))["label"].fill_null(UNLABELLED)
    return {
        item["values"]: item["counts"] for item in sorted(labels.value_counts().to_pylist(), key=itemgetter("values"))
    }


def sample_sheet(store: Store, path: Path) -> None:
    """Write a sheet of training images, or of a collection, spread over all of them."""
    shown = store.split("train" if store.labels else UNLABELLED)
    chosen = np.linspace(0, len(shown) - 1, min(SAMPLES, len(shown))).astype(int)
    caption = captions(store, shown)
    write_contact_sheet([(shown.images[i], caption(int(i))) for i in chosen], path)


def captions(store: Store, shown: Split) -> Callable[[int], str]:
    """Return what says of a picture of a split what it is: its class and name, or its title where it has one."""
    if store.labels:
        return lambda row: f"{store.labels[shown.labels[row]]}  {Path(shown.paths[row]).name}"
    metadata = store.everything().metadata
    title = next((name for name in metadata.column_names if name.lower() == "title"), None)
    if title is None:
        return lambda row: Path(shown.paths[row]).name
    return lambda row: metadata[title][row].as_py() or Path(shown.paths[row]).name
