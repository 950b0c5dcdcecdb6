"""Where a stage reads and writes.

DVC's door works in the project itself. A person's run works in `runs/<date>/<job>/`, a folder with the same
layout: what it does not hold is read from the project. So nobody's experiment touches what DVC tracks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.disk import require_writable, told
from stages.errors import UserError
from stages.files import atomic_folder
from stages.lock import alone

RAW = "data/raw/{}"
PREPARED = "data/prepared/{}"
MODEL = "artifacts/models/{}"
REPORT = "artifacts/reports/{}"
PACKAGE = "artifacts/packages/{}"
FEATURISER = "artifacts/featurisers/{}"
INDEX = "artifacts/indexes/{}"
BENTOS = "artifacts/bentos{}"
MAKERS = {
    "raw": "fetch",
    "prepared": "preprocess",
    "models": "train",
    "reports": "evaluate",
    "packages": "package",
    "featurisers": "featuriser",
    "indexes": "index",
}
WRITTEN = {
    "fetch": (RAW,),
    "preprocess": (PREPARED,),
    "train": (MODEL,),
    "evaluate": (REPORT,),
    "package": (PACKAGE,),
    "featuriser": (FEATURISER,),
    "index": (INDEX, REPORT),
    "bento": (BENTOS,),
}


@dataclass(frozen=True)
class Place:
    """A root that is written to, and the project that is read from where the root has nothing."""

    root: Path
    project: Path

    def read(self, layout: str, name: str) -> Path:
        """Return an existing folder, or raise a UserError naming the command that makes it."""
        found = self.find(layout, name)
        if found is not None:
            return found
        relative = layout.format(name)
        stage = MAKERS[Path(relative).parts[1]]
        raise UserError(f"{relative}: not there yet; make it with `dvc repro {stage}@{name}`")

    def find(self, layout: str, name: str) -> Path | None:
        """Return an existing folder, None where there is none."""
        places = (base / layout.format(name) for base in (self.root, self.project))
        return next((place for place in places if place.exists()), None)

    def require_writable(self, stage: str, name: str) -> None:
        """Raise a UserError where a stage's outputs cannot be written: better now than when they are computed."""
        for layout in WRITTEN.get(stage, ()):
            require_writable(self.root / layout.format(name))

    @contextmanager
    def write(self, layout: str, name: str) -> Iterator[Path]:
        """Yield a scratch folder that becomes the output when all went well; others who write it wait."""
        relative = layout.format(name)
        target = self.root / relative
        with told(target), alone(target, f"writing {relative}"), atomic_folder(target) as scratch, told(target):
            yield scratch
