"""What preprocess found and did, for people (a sample sheet) and for later stages (report.json)."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from stages.files import fingerprint
from stages.preprocess.split import NAMES, UNLABELLED
from stages.preprocess.store import Store
from stages.schema import Preprocess
from stages.sheet import sheet

SAMPLES = 32


def report(name: str, source: str, rows: list[dict[str, Any]], config: Preprocess) -> dict[str, Any]:
    """Summarise the manifest: labels, counts for each split and label, what was dropped and why, duplicates."""
    kept = [row for row in rows if row["dropped"] is None]
    content = [[row["path"], row["label"], row.get("split"), row["sha256"]] for row in kept]
    hashes = Counter(row["sha256"] for row in kept)
    by_hash = {(row["sha256"], row["label"]) for row in kept if row["label"]}
    return {
        "dataset": name,
        "source": source,
        "size": config.size,
        "resize": config.resize,
        "labels": sorted({row["label"] for row in kept if row["label"]}),
        "splits": {split: counts(kept, split) for split in (*NAMES, UNLABELLED)},
        "duplicates": sum(hashes.values()) - len(hashes),
        "contradictory_labels": len(by_hash) - len({sha for sha, _ in by_hash}),
        "dropped": [{"path": row["path"], "why": row["dropped"]} for row in rows if row["dropped"] is not None],
        "remarks": remarks(rows),
        "fingerprint": fingerprint([config.size, config.resize, content]),
    }


def remarks(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return what the layout found wrong → the pictures, kept or dropped."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["remark"] is not None:
            found.setdefault(row["remark"], []).append(row["path"])
    return found


def counts(kept: list[dict[str, Any]], split: str) -> dict[str, int]:
    """Return label → number of images in a split."""
    labels = (row["label"] or UNLABELLED for row in kept if row["split"] == split)
    return dict(sorted(Counter(labels).items()))


def sample_sheet(store: Store, path: Path) -> None:
    """Write a sheet of training images spread over the whole split."""
    train = store.split("train")
    chosen = np.linspace(0, len(train) - 1, min(SAMPLES, len(train))).astype(int)
    sheet([(train.images[i], f"{store.labels[train.labels[i]]}  {Path(train.paths[i]).name}") for i in chosen], path)
