"""Where a stage reads and writes.

DVC's stages work in the project itself. A person's run works in `runs/<date>/<time>-<stage>/`, a folder of the same
layout; inputs that it lacks are read from the project. So an experiment never touches what DVC tracks.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import UserError, translate_disk_errors
from stages.core.files import atomic_folder, exclusive_lock, require_writable, write_text

CODE_ROOT = Path(__file__).resolve().parents[2]
CONF = CODE_ROOT / "conf"
PARAMS = "params.yaml"
DOWNLOAD_CACHE = "data/cache"
SOURCE = "from.txt"  # in a sweep job's folder: the run that the sweep goes on from

RAW = "data/raw/{}"
PREPARED = "data/prepared/{}"
MODEL = "artifacts/models/{}"
REPORT = "artifacts/reports/{}"
PACKAGE = "artifacts/packages/{}"
FEATURISER = "artifacts/featurisers/{}"
INDEX = "artifacts/indexes/{}"
BENTOS = "artifacts/bentos{}"
PRODUCERS = {  # folder → the stage that makes it
    "raw": "fetch",
    "prepared": "preprocess",
    "models": "train",
    "reports": "evaluate",
    "packages": "package",
    "featurisers": "featuriser",
    "indexes": "index",
}
OUTPUTS = {  # stage → the folders it writes
    "fetch": (RAW,),
    "preprocess": (PREPARED,),
    "train": (MODEL,),
    "evaluate": (REPORT,),
    "package": (PACKAGE,),
    "featuriser": (FEATURISER,),
    "index": (INDEX, REPORT),
    "bento": (BENTOS,),
}


def read_source(run: Path) -> Path | None:
    """Reads which other run a run reads from, if any."""
    note = run / SOURCE
    return Path(note.read_text(encoding="utf-8")) if note.exists() else None


def project_root() -> Path:
    """Finds the project: DVC_ROOT if DVC sets it (a queued experiment runs in a copy), else the code's own folder."""
    return Path(os.environ.get("DVC_ROOT", CODE_ROOT))


@dataclass(frozen=True)
class Workspace:
    """Resolves artifact paths. Outputs go to `root`; inputs missing there are read from `source`, then `project`.

    A layout is one of this module's path templates, e.g. `MODEL`; a name fills it in.

    Attributes:
        root: The run's folder, or the project itself.
        project: What DVC made.
        source: Another run that this one goes on from, if any.
    """

    root: Path
    project: Path
    source: Path | None = None

    def input(self, layout: str, name: str) -> Path:
        """Finds an existing folder.

        Raises:
            UserError: There is none; the message names the command that makes it.
        """
        folder = self.find(layout, name)
        if folder is not None:
            return folder
        relative = layout.format(name)
        stage = PRODUCERS[Path(relative).parts[1]]
        raise UserError(f"{relative}: not there yet; make it with `dvc repro {stage}@{name}`")

    def find(self, layout: str, name: str) -> Path | None:
        """Finds an existing folder; None if there is none."""
        bases = filter(None, (self.root, self.source, self.project))
        candidates = (base / layout.format(name) for base in bases)
        return next((folder for folder in candidates if folder.exists()), None)

    def require_writable(self, stage: str, name: str) -> None:
        """Checks that a stage's outputs can be written, before they are computed.

        Raises:
            UserError: They cannot.
        """
        for layout in OUTPUTS.get(stage, ()):
            require_writable(self.root / layout.format(name))

    def save_source(self) -> None:
        """Notes in the run's folder which other run it reads from, so that a later stage reads from there too."""
        if self.source is not None:
            write_text(self.root / SOURCE, str(self.source))

    @contextmanager
    def output(self, layout: str, name: str) -> Iterator[Path]:
        """Yields an empty folder that becomes the output on success; a second process that writes it waits."""
        relative = layout.format(name)
        target = self.root / relative
        with (
            translate_disk_errors(target),
            exclusive_lock(target, f"writing {relative}"),
            atomic_folder(target) as scratch,
            translate_disk_errors(target),
        ):
            yield scratch
