"""What preprocess found and did, for people (a sample sheet) and for later stages (report.json)."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stages.files import fingerprint
from stages.preprocess.split import NAMES, UNLABELLED
from stages.preprocess.store import Split, Store
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
    """Write a sheet of training images, or of a collection, spread over all of them."""
    shown = store.split("train" if store.labels else UNLABELLED)
    chosen = np.linspace(0, len(shown) - 1, min(SAMPLES, len(shown))).astype(int)
    caption = captions(store, shown)
    sheet([(shown.images[i], caption(int(i))) for i in chosen], path)


def captions(store: Store, shown: Split) -> Callable[[int], str]:
    """Return what says of a picture of a split what it is: its class and name, or its title where it has one."""
    if store.labels:
        return lambda row: f"{store.labels[shown.labels[row]]}  {Path(shown.paths[row]).name}"
    metadata = store.everything().metadata
    title = next((name for name in metadata.column_names if name.lower() == "title"), None)
    if title is None:
        return lambda row: Path(shown.paths[row]).name
    return lambda row: metadata[title][row].as_py() or Path(shown.paths[row]).name
