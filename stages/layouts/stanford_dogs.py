"""Stanford Dogs: `Images/n02085620-Chihuahua/n02085620_10074.jpg`, the published split in MATLAB lists beside them."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Any

from stages.config.schema import Synthetic
from stages.core.archive import ABSENT, ArchiveReader, Entry, Unreadable, is_archive, walk_archive, write_tar
from stages.core.concurrency import create_process_pool
from stages.core.errors import UserError, first_line
from stages.core.files import stable_hash_order
from stages.fetch.breeds import Breed, kennel
from stages.fetch.synthetic import broken, drawings, photograph

EXPECTED = "Images/n02085620-Chihuahua/n02085620_10074.jpg, …"
CLASS = "breed"
CAVEAT = "Stanford Dogs was drawn from ImageNet: results of networks that begin with ImageNet's weights are optimistic."
PICTURE = re.compile(r"(?:^|/)(n\d+-([^/]+)/[^/.][^/]*\.jpe?g)$", re.IGNORECASE)
LISTS = {"train_list.mat": "train", "test_list.mat": "test"}
LARGEST_LIST = 8 * 2**20  # bytes; the published ones have 0.2 MB
STAMP = b"MATLAB 5.0 MAT-file, Platform: any".ljust(116)  # a written file's header holds a date
IN_TRAIN = 0.58  # of a breed's pictures, as published
UNLISTED = "in no list"
PLACE = (
    "place lists.tar beside the archive and say fetch.extra_files: [lists.tar], "
    "or say fetch.layout.official_split=false"
)

Member = tuple[Path, int, str]


def entries(raw: Path, scratch: Path, *, official_split: bool = True) -> list[Entry]:
    """Return every picture of the archive at `raw` in its published split; what its lists do not name is unwanted.

    Without `official_split` the lists are not looked at, and the config's fractions hold.
    """
    members = walk_archive(raw, scratch)
    found = [
        (match[1], Entry(archive, index, name, match[2]))
        for archive, index, name in members
        if (match := PICTURE.search(name))
    ]
    if not official_split or not found:
        return [entry for _, entry in found]
    return listed(raw, found, published(raw, members, scratch))


def listed(raw: Path, found: Sequence[tuple[str, Entry]], splits: dict[str, str]) -> list[Entry]:
    """Return pictures in the split that the lists say; what is only there, or only listed, is unwanted."""
    there = {path for path, _ in found}
    if not there & splits.keys():
        raise UserError(
            f"{raw.name}: not one of its {len(there)} pictures is in the lists ({found[0][0]} is not): they are of "
            "other files; say fetch.layout.official_split=false"
        )
    pictures = [placed(entry, splits.get(path)) for path, entry in found]
    return pictures + [absent(raw, path, split) for path, split in splits.items() if path not in there]


def placed(entry: Entry, split: str | None) -> Entry:
    """Return a picture in its split, unwanted where it has none."""
    remark = UNLISTED if split is None else None
    return Entry(entry.archive, entry.index, entry.path, entry.label, remark, split is None, split)


def absent(raw: Path, path: str, split: str) -> Entry:
    """Return an entry for a picture that a list names and the archive lacks."""
    label = PurePosixPath(path).parent.name.partition("-")[2] or None
    return Entry(raw, ABSENT, path, label, f"in the {split} list, but not in the archive", True, split)


def published(raw: Path, members: Sequence[Member], scratch: Path) -> dict[str, str]:
    """Return picture → split, from lists in the archive, else from those beside it."""
    found = dict(matlab(members))
    if len(found) < len(LISTS):
        found = dict(beside(raw, scratch / "lists")) | found
    lacking = [name for name in LISTS if name not in found]
    if lacking:
        raise UserError(f"{raw.name}: no {' and no '.join(lacking)} in it or beside it; {PLACE}")
    splits: dict[str, str] = {}
    for name, split in LISTS.items():
        for path in file_list(name, found[name]):
            if splits.setdefault(path, split) != split:
                raise UserError(f"{name}: {path} is in the {splits[path]} list too; fetch lists.tar again")
    return splits


def beside(raw: Path, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the lists that lie beside the archive, as files or in archives."""
    for file in sorted(raw.parent.iterdir()):
        if file.name in LISTS and file.stat().st_size <= LARGEST_LIST:
            yield file.name, file.read_bytes()
        elif file.is_file() and file != raw and is_archive(file):
            yield from matlab(walk_archive(file, scratch / file.name))


def matlab(members: Iterable[Member]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the lists among an archive's members."""
    with closing(ArchiveReader()) as reader:
        for archive, index, path in members:
            name = PurePosixPath(path).name
            if name in LISTS:
                try:
                    yield name, reader.read(Entry(archive, index, path, None))
                except Unreadable as error:
                    raise UserError(f"{path}: {error}; fetch lists.tar again") from error


def file_list(name: str, content: bytes) -> list[str]:
    """Return the paths that a MATLAB file lists; a process of its own reads it, as broken bytes may end that."""
    if len(content) > LARGEST_LIST:
        raise UserError(f"{name}: {len(content) / 2**20:.0f} MB, larger than {LARGEST_LIST >> 20}; is it a list?")
    try:
        with create_process_pool(1) as process:
            paths = process.submit(parsed, content).result()
    except Exception as error:  # the parser raises anything on broken bytes
        why = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"{name}: no MATLAB file with a file_list ({why}); fetch lists.tar again") from error
    if not all(isinstance(path, str) for path in paths):
        raise UserError(f"{name}: its file_list is no list of paths; fetch lists.tar again")
    return [str(path).strip() for path in paths]


def parsed(content: bytes) -> list[Any]:
    """Return the elements of a MATLAB file's file_list."""
    from numpy import atleast_1d
    from scipy.io import loadmat

    found = loadmat(io.BytesIO(content), variable_names=["file_list"], simplify_cells=True)
    return list(atleast_1d(found["file_list"]).tolist())


def companions(kept: Sequence[Entry], *, official_split: bool = True) -> list[tuple[str, bytes]]:
    """Return lists that name these pictures alone, for an archive that holds no others."""
    if not official_split:
        return []
    paths = [("/".join(PurePosixPath(entry.path).parts[-2:]), entry.split) for entry in kept]
    return [(name, saved([path for path, own in paths if own == split])) for name, split in LISTS.items()]


def saved(paths: Sequence[str]) -> bytes:
    """Return a MATLAB file that lists paths and their classes, as the published ones do."""
    import numpy as np
    from scipy.io import savemat

    classes = {folder: number for number, folder in enumerate(sorted({path.partition("/")[0] for path in paths}), 1)}
    content = {
        "file_list": cells(paths),
        "annotation_list": cells([path.rpartition(".")[0] for path in paths]),
        "labels": np.array([[classes[path.partition("/")[0]]] for path in paths], np.uint8).reshape(-1, 1),
    }
    file = io.BytesIO()
    savemat(file, content, do_compression=True)
    return STAMP + file.getvalue()[len(STAMP) :]


def cells(words: Sequence[str]) -> Any:
    """Return a column of words as MATLAB has it."""
    import numpy as np

    column = np.empty((len(words), 1), object)
    column[:, 0] = words
    return column


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw dogs into images.tar and lists.tar, a few broken files among them; return the former."""
    breeds = kennel(spec.classes)
    count = len(breeds)
    dogs = sorted((breeds[number % count] for number in range(spec.images)), key=attrgetter("folder"))
    paths = [path for breed, found in groupby(dogs) for path in files(breed, len(list(found)))]
    sample = photograph((breeds[0], spec.smallest, spec.largest, seed, spec.images))
    faulty = [(f"{breeds[n % count].folder}/broken_{n}.jpg", broken(n, sample)) for n in range(spec.corrupt)]
    pictures = chain(zip(paths, drawings(dogs, spec, seed), strict=True), faulty)
    write_tar(folder / "images.tar", ((f"Images/{path}", content) for path, content in pictures))
    write_tar(folder / "lists.tar", drawn_lists(paths, [path for path, _ in faulty], seed))
    return folder / "images.tar"


def files(breed: Breed, count: int) -> list[str]:
    """Return the names of a breed's pictures."""
    return [f"{breed.folder}/{breed.folder.partition('-')[0]}_{number}.jpg" for number in range(count)]


def drawn_lists(paths: Sequence[str], faulty: Sequence[str], seed: int) -> list[tuple[str, bytes]]:
    """Return the three published lists: all files, and of each breed the share to train and the rest to test."""
    train = list(faulty)
    for _, found in groupby(paths, key=lambda path: path.partition("/")[0]):
        shuffled = sorted(found, key=lambda path: stable_hash_order(seed, path))
        train += shuffled[: round(len(shuffled) * IN_TRAIN)]
    kept = set(train)
    test = [path for path in paths if path not in kept]
    named = {"file_list.mat": [*paths, *faulty], "train_list.mat": train, "test_list.mat": test}
    return [(name, saved(content)) for name, content in named.items()]
