"""A CSV whose rows name objects: `bucket, s3_image, category, label`; `<category>/<file>` in the archive made of them.

A bucket is one of S3's, or says itself what it is: `gs://bucket`, `https://host/folder`, `file://` (keys are paths).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from stages.config import project
from stages.console import console
from stages.errors import UserError
from stages.fetch import table
from stages.fetch.archive import Entry, names, pack
from stages.fetch.layout import Choose
from stages.fetch.objects import Wanted, fetch_all
from stages.fetch.synthetic import CAT, DOG, broken, drawings, photograph
from stages.files import fingerprint
from stages.schema import Synthetic

EXPECTED = "category/file.jpg, …"
COLUMNS = ("bucket", "s3_image", "category", "label")
LOCAL = "local_image"
DRAWN = "data/cache/drawn"


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
    paths = ((index, PurePosixPath(name)) for index, name in names(raw))
    return [Entry(raw, index, str(path), path.parent.name) for index, path in paths if path.parent.name]


def items(published: Path, columns: Sequence[str] = COLUMNS) -> list[Item]:
    """Return the rows of the table, or raise a UserError for the first that is wrong, by row and column."""
    found: dict[str, Item] = {}
    classes: dict[int, str] = {}
    for row in table.read(published, columns):
        item = Item(row, row.text("s3_image"), row.text("category"))
        row.text("bucket")
        if PurePosixPath(item.label).name != item.label or item.label.startswith("."):
            raise row.wrong("category", "is no plain name")
        if PurePosixPath(item.path).name in ("", ".."):
            raise row.wrong("s3_image", "names no file")
        if classes.setdefault(row.whole("label"), item.label) != item.label:
            raise row.wrong("label", f"stands for {classes[row.whole('label')]} in a row before")
        first = found.setdefault(item.member, item)
        if (first.path, first.row.values["bucket"]) != (item.path, row.values["bucket"]):
            raise row.wrong("s3_image", f"and that of row {first.row.number} would both be {item.member}")
    if not found:
        raise UserError(f"{published.name}: no row in it; expected the columns {', '.join(columns)}")
    return list(found.values())


def collect(
    published: Path,
    folder: Path,
    choose: Choose,
    *,
    root: str = "data/cache/s3_csv",
    download: bool = True,
    workers: int = 32,
) -> Path:
    """Fetch what the chosen rows name to `<root>/<category>/<file>`; return it as an archive, the table beside it.

    Without `download` the pictures are where the table's column `local_image` says.
    """
    chosen = choose(items(published, COLUMNS if download else (*COLUMNS, LOCAL)))
    places = [f"{root}/{item.member}" if download else item.row.text(LOCAL) for item in chosen]
    files = [project() / place for place in places]
    if download:
        fetch(chosen, files, workers)
    for item, file in zip(chosen, files, strict=True):
        if not file.is_file():
            raise item.row.wrong(LOCAL, "is no file; say download: true")
    target = folder / "images.zip"
    pack(target, ((item.member, file.read_bytes()) for item, file in zip(chosen, files, strict=True)))
    rows = [{**item.row.values, LOCAL: place} for item, place in zip(chosen, places, strict=True)]
    table.write(folder / published.name, rows)
    return target


def fetch(chosen: Sequence[Item], files: Sequence[Path], workers: int) -> None:
    """Fetch every row's object to its file, and say how many there were."""
    wanted = [
        Wanted(item.row.values["bucket"].strip(), item.path, file, f"row {item.row.number} of {item.row.table}")
        for item, file in zip(chosen, files, strict=True)
    ]
    found = fetch_all(wanted, workers)
    console.print(f"objects: {found['fetched']} fetched, {found['there']} were there already")


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw cats and dogs as objects on this disk, a few of them broken; return the table that names them."""
    pets = [(CAT, DOG)[number % 2] for number in range(spec.images + spec.corrupt)]
    home = f"{DRAWN}/{fingerprint([asdict(spec), seed])}"
    sample = photograph((CAT, spec.smallest, spec.largest, seed, spec.images))
    faulty = (broken(number, sample) for number in range(spec.corrupt))
    pictures = [*drawings(pets[: spec.images], spec, seed), *faulty]
    count: Counter[str] = Counter()
    rows = []
    for pet, picture in zip(pets, pictures, strict=True):
        key = f"{home}/{pet.name}/{pet.name}.{count[pet.name]}.jpg"
        count[pet.name] += 1
        (project() / key).parent.mkdir(parents=True, exist_ok=True)
        (project() / key).write_bytes(picture)
        rows.append({"bucket": "file://", "s3_image": key, "category": pet.name, "label": str(int(pet is DOG))})
    table.write(folder / "s3_images.csv", rows)
    return folder / "s3_images.csv"
