"""A CSV whose rows name objects: `bucket, s3_image, category, label`; `<category>/<file>` in the archive made of them.

A bucket is one of S3's, or says itself what it is: `gs://bucket`, `https://host/folder`, `file://` (keys are paths).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.config.schema import Synthetic
from stages.core.archive import Entry, list_members, write_zip
from stages.core.concurrency import Executor
from stages.core.console import console
from stages.core.errors import UserError
from stages.core.files import exclusive_lock, hash_json, is_safe_filename
from stages.core.redaction import redact_secrets
from stages.core.workspace import project_root
from stages.fetch import table
from stages.fetch.objects import Wanted, fetch_all
from stages.fetch.stores import split
from stages.fetch.synthetic import CAT, DOG, broken, drawings, photograph
from stages.layouts.base import Choose

EXPECTED = "category/file.jpg, …"
COLUMNS = ("bucket", "s3_image", "category", "label")
LOCAL = "local_image"
DRAWN = "data/cache/drawn"
DISK = ("file", "local")  # the schemes of this disk


@dataclass(frozen=True)
class Item:
    """A row of the table."""

    row: table.Row
    path: str
    label: str

    @property
    def member(self) -> str:
        """The picture's name in the archive."""
        return f"{self.label}/{PurePosixPath(self.path).name}"


def entries(raw: Path, scratch: Path) -> list[Entry]:  # noqa: ARG001
    """Return every picture of the archive at `raw`; its folder is its label."""
    paths = ((index, PurePosixPath(name)) for index, name in list_members(raw))
    return [Entry(raw, index, str(path), path.parent.name) for index, path in paths if path.parent.name]


def items(published: Path, columns: Sequence[str] = COLUMNS) -> list[Item]:
    """Return the rows of the table, or raise a UserError for the first that is wrong, by row and column."""
    found: dict[str, Item] = {}
    classes: dict[int | str, int | str] = {}
    for row in table.read(published, columns):
        item = checked(row)
        for one, other in ((row.whole("label"), item.label), (item.label, row.whole("label"))):
            if classes.setdefault(one, other) != other:
                raise row.wrong("label", f"and {item.label}: in a row before, {one} goes with {classes[one]}")
        first = found.setdefault(item.member, item)
        if (first.path, first.row.values["bucket"]) != (item.path, row.values["bucket"]):
            raise row.wrong("s3_image", f"and that of row {first.row.number} would both be {item.member}")
    if not found:
        raise UserError(f"{published.name}: no row in it; expected the columns {', '.join(columns)}")
    return list(found.values())


def checked(row: table.Row) -> Item:
    """Return what a row names; its category becomes a folder, and the end of its path a file."""
    item = Item(row, row.text("s3_image"), row.text("category"))
    row.text("bucket")
    for column, name in (("category", item.label), ("s3_image", PurePosixPath(item.path).name)):
        if not is_safe_filename(name):
            raise row.wrong(column, "gives no plain name for a folder or file")
    return item


def collect(
    published: Path,
    folder: Path,
    choose: Choose,
    trusted: bool,
    engine: Executor | None = None,
    *,
    root: str = "data/cache/s3_csv",
    download: bool = True,
    workers: int = 32,
) -> Path:
    """Fetch what the chosen rows name to `<root>/<category>/<file>`; return it as an archive, the table beside it.

    Without `download` the pictures are where the table's column `local_image` says. A table that came from elsewhere
    is not `trusted` to name files of this disk.
    """
    if workers < 1:
        raise UserError(f"fetch.layout.workers: {workers} is out of range; it must be at least 1")
    chosen = choose(items(published, COLUMNS if download else (*COLUMNS, LOCAL)))
    places = [f"{root}/{item.member}" if download else item.row.text(LOCAL) for item in chosen]
    if not trusted:
        refuse_own_files(chosen, download)
    if download:
        fetch(chosen, places, project_root() / root, workers, engine)
    return archived(published.name, chosen, places, folder)


def refuse_own_files(chosen: Sequence[Item], download: bool) -> None:
    """Raise a UserError for a row that names a file of this disk: the table came from elsewhere."""
    for item in chosen:
        if not download or split(item.row.values["bucket"].strip())[0] in DISK:
            column = "bucket" if download else LOCAL
            raise item.row.wrong(
                column, "names a file of this disk, and the table came from elsewhere; download it first"
            )


def archived(name: str, chosen: Sequence[Item], places: Sequence[str], folder: Path) -> Path:
    """Pack the pictures, in the table's order, and write the table with the places they lie at."""
    files = [project_root() / place for place in places]
    for item, file in zip(chosen, files, strict=True):
        if not file.is_file():
            raise item.row.wrong(LOCAL, "is no file; say download: true")
    target = folder / "images.zip"
    write_zip(target, ((item.member, file.read_bytes()) for item, file in zip(chosen, files, strict=True)))
    rows = [
        {column: redact_secrets(value) for column, value in {**item.row.values, LOCAL: place}.items()}
        for item, place in zip(chosen, places, strict=True)
    ]
    table.write(folder / name, rows)
    return target


def fetch(
    chosen: Sequence[Item], places: Sequence[str], root: Path, workers: int, engine: Executor | None = None
) -> None:
    """Fetch every row's object to its place, one process at a time, and say how many there were."""
    wanted = [
        Wanted(
            item.row.values["bucket"].strip(),
            item.path,
            project_root() / place,
            f"row {item.row.number} of {item.row.table}",
        )
        for item, place in zip(chosen, places, strict=True)
    ]
    with exclusive_lock(root, "fetching objects"):
        found = fetch_all(wanted, workers, engine)
    console.print(f"objects: {found['fetched']} fetched, {found['there']} were there already")


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw cats and dogs as objects on this disk, a few of them broken; return the table that names them."""
    pets = [(CAT, DOG)[number % 2] for number in range(spec.images + spec.corrupt)]
    drawn = {name: value for name, value in spec.model_dump().items() if name != "classes"}
    home = f"{DRAWN}/{hash_json([drawn, seed])}"
    sample = photograph((CAT, spec.smallest, spec.largest, seed, spec.images))
    faulty = (broken(number, sample) for number in range(spec.corrupt))
    pictures = [*drawings(pets[: spec.images], spec, seed), *faulty]
    count: Counter[str] = Counter()
    rows = []
    for pet, picture in zip(pets, pictures, strict=True):
        key = f"{home}/{pet.name}/{pet.name}.{count[pet.name]}.jpg"
        count[pet.name] += 1
        (project_root() / key).parent.mkdir(parents=True, exist_ok=True)
        (project_root() / key).write_bytes(picture)
        rows.append({"bucket": "file://", "s3_image": key, "category": pet.name, "label": str(int(pet is DOG))})
    table.write(folder / "s3_images.csv", rows)
    return folder / "s3_images.csv"
