"""A folder for each class: `cat/1.jpg`, `dog/1.jpg`, …, or `train/cat/1.jpg`, `test/cat/2.jpg`, …, at any depth."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

from stages.config.schema import Synthetic
from stages.core.archive import Entry, walk_archive, write_zip
from stages.core.errors import MAX_SUGGESTIONS, UserError
from stages.fetch.synthetic import CAT, DOG, FOX, broken, drawings, photograph

EXPECTED = "a folder for each class, cat/1.jpg, dog/1.jpg, …"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

Folders = tuple[str, ...]


def entries(raw: Path, scratch: Path) -> list[Entry]:
    """Return every picture of the archive at `raw`: its class is the first folder below the one that holds all."""
    found = [
        (place(name), archive, index, name)
        for archive, index, name in walk_archive(raw, scratch)
        if is_picture(place(name))
    ]
    if not found:
        return []
    folders = [path[:-1] for path, *_ in found]
    refuse_one_folder(raw, set(folders))
    depth = common(folders)
    splits = published(raw, [path[depth:] for path in folders])
    pictures = []
    for (_, archive, index, name), path in zip(found, folders, strict=True):
        below = path[depth:]
        split = splits.get(below[0]) if below else None
        label = below[1:2] if split else below[:1]
        pictures.append(Entry(archive, index, name, label[0] if label else None, split=split))
    return pictures


def place(name: str) -> Folders:
    """Return a member's folders and its name; steps up and to the root lead nowhere."""
    return tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "//", ".."))


def is_picture(path: Folders) -> bool:
    """Return whether a name is that of a picture, and nothing on the way to it is hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path)
    return bool(path) and not hidden and path[-1].lower().endswith(PICTURES)


def refuse_one_folder(raw: Path, folders: set[Folders]) -> None:
    """Raise a UserError where all pictures lie in one folder: it may be a class, but then the only one."""
    if len(folders) == 1:
        name = "/".join(next(iter(folders)))
        where = f"the one folder {name!r}" if name else "no folder"
        raise UserError(f"{raw.name}: all pictures lie in {where}; a classifier needs two classes, a folder for each")


def common(folders: Sequence[Folders]) -> int:
    """Return how many folders all have in common."""
    low, high = min(folders), max(folders)
    differing = (depth for depth, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(low), len(high)))


def published(raw: Path, folders: Sequence[Folders]) -> dict[str, str]:
    """Return folder → split where the first folders are splits, train among them; else nothing."""
    first = sorted({path[0] for path in folders if path})
    splits = {name: SPLITS[name.lower()] for name in first if name.lower() in SPLITS}
    if len(splits) == len(first) and "train" in splits.values():
        return splits
    if len(splits) > 1:
        raise half_published(raw, list(splits), [name for name in first if name not in splits])
    return {}


def half_published(raw: Path, splits: Sequence[str], others: Sequence[str]) -> UserError:
    """Return the error of folders that look like splits, with others beside them or without train."""
    if others:
        stand, mend = (
            f"stand beside {', '.join(map(repr, others[:MAX_SUGGESTIONS]))}",
            "move or remove what is no split",
        )
    else:
        stand, mend = "are there without 'train'", "add train/, with a folder for each class"
    return UserError(
        f"{raw.name}: the folders {', '.join(map(repr, splits))} look like published splits, but {stand}; allowed: "
        f"splits alone (train, val, test), train among them, or a folder for each class; {mend}, or, where these are "
        "classes, rename them"
    )


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw cats, dogs and foxes into a zip of this layout, a few broken files among them; return the zip."""
    kinds = (CAT, DOG, FOX)
    count = spec.images + spec.unlabelled
    names = [f"pictures/{kinds[i % 3].name}/{i // 3}.jpg" for i in range(spec.images)]
    names += [f"pictures/{i}.jpg" for i in range(spec.unlabelled)]
    pictures = drawings([kinds[i % 3] for i in range(count)], spec, seed)
    sample = photograph((CAT, spec.smallest, spec.largest, seed, count))
    faulty = ((f"pictures/{kinds[i % 3].name}/broken_{i}.jpg", broken(i, sample)) for i in range(spec.corrupt))
    target = folder / "pictures.zip"
    write_zip(target, chain(zip(names, pictures, strict=True), faulty))
    return target
