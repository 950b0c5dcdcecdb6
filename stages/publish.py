"""`python -m stages.publish model=NAME`: put a tested model where others take it from: a folder, s3:// or gs://.

Everything lies under a name that follows from its content, and the manifest comes last: without it nothing is there.
"""

import tempfile
from pathlib import Path
from typing import Any

from stages.config import project
from stages.console import console
from stages.disk import require_writable, told
from stages.door import door
from stages.errors import UserError
from stages.fetch import bucket
from stages.fetch.download import copy, is_remote, public
from stages.files import atomic_folder, fingerprint, read_json, sha256_file, write_json
from stages.job import Job
from stages.place import MODEL, PACKAGE, REPORT
from stages.tracking import continued

MANIFEST = "manifest.json"


@door("publish", picks="model")
def main(job: Job) -> None:
    """Write the results beside, upload them, the manifest last, and note in the model's run where they are."""
    from stages.package.results import write_results
    from stages.train.model import WEIGHTS, describe

    to = job.model.publish.to
    if not is_remote(to):
        require_writable(local(to) / MANIFEST)
    trained, report, package = tested(job)
    weights = sha256_file(trained / WEIGHTS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_results(folder, describe(trained), trained, report, package, job.model.publish.labels)
        target = upload(folder, job, weights)
    with continued(job, weights) as record:
        record.tag("published", public(target))


def upload(folder: Path, job: Job, weights: str) -> str:
    """Put every file where it belongs, the manifest last; return where that is. What is there already stays."""
    files = {file.name: described(file) for file in sorted(folder.iterdir())}
    run = f"{job.name}-{fingerprint(files)}"
    target = f"{job.model.publish.to.rstrip('/')}/{run}"
    if there(f"{target}/{MANIFEST}"):
        console.print(f"published already: {public(target)}", markup=False)
        return target
    write_json(folder / MANIFEST, {"model": job.name, "run": run, "weights": weights, "files": files})
    put(folder, [*files, MANIFEST], target)
    console.print(f"published {job.name}: {public(target)}, {len(files)} files and {MANIFEST}", markup=False)
    return target


def tested(job: Job) -> tuple[Path, Path, Path]:
    """Return model, report and package, or raise a UserError where they are not of the same training."""
    trained, report, package = (job.place.read(layout, job.name) for layout in (MODEL, REPORT, PACKAGE))
    weights = sha256_file(trained / "weights.safetensors")
    of_report = read_json(report / "tested.json")["weights"]
    of_package = read_json(package / "model.json")["sha256"]["weights"]
    for folder, stage, found in ((report, "evaluate", of_report), (package, "package", of_package)):
        if found != weights:
            again = f"dvc repro {stage}@{job.name}`, of a run `python -m stages.{stage} model={job.name} from=…"
            raise UserError(f"{folder}: made of other weights than {trained}; make it anew: `{again}`")
    return trained, report, package


def described(file: Path) -> dict[str, Any]:
    """Return what the manifest says of a file."""
    return {"bytes": file.stat().st_size, "sha256": sha256_file(file)}


def there(url: str) -> bool:
    """Return whether a published file is there."""
    return bucket.exists(url) if is_remote(url) else local(url).exists()


def put(folder: Path, names: list[str], target: str) -> None:
    """Publish files in order, each whole or not at all; in a folder of this disk all of them or none."""
    if is_remote(target):
        for name in names:
            bucket.upload(folder / name, f"{target}/{name}")
        return
    with told(local(target)), atomic_folder(local(target)) as scratch, told(local(target)):
        for name in names:
            copy(folder / name, scratch / name)


def local(url: str) -> Path:
    """Return the path of a file on this disk; a relative one starts at the project."""
    return project() / url.removeprefix("file://")


if __name__ == "__main__":
    main()
