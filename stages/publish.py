"""`python -m stages.publish model=NAME` hands a tested model on: to a folder, s3:// or gs://.

A published model has a folder named by a hash of its content. The manifest is written last: a folder without one is
incomplete.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from stages.config.command import stage_command
from stages.core import remote
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.download import copy_file, is_remote
from stages.core.errors import UserError, translate_disk_errors
from stages.core.files import atomic_folder, hash_file, hash_json, read_json, require_writable, write_json
from stages.core.redaction import redact_url
from stages.core.tracking import continue_run
from stages.core.workspace import MODEL, PACKAGE, REPORT, project_root

MANIFEST = "manifest.json"


@stage_command("publish", select="model")
def main(context: StageContext) -> None:
    """Copies a tested and packaged model, with its results, to the folder or bucket that its `publish.to` names."""
    from stages.package.results import write_results
    from stages.train.model import describe

    target = context.model.publish.to
    if not is_remote(target):
        require_writable(_resolve_path(target) / MANIFEST)
    model, report, package = find_inputs(context)
    weights = hash_file(model / "weights.safetensors")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_results(folder, describe(model), model, report, package, context.model.publish.labels)
        url = publish_folder(folder, context, weights)
    with continue_run(context, weights) as run:
        run.set_tag("published", redact_url(url))


def find_inputs(context: StageContext) -> tuple[Path, Path, Path]:
    """Finds a model's own folder, its report and its package.

    Raises:
        UserError: One is missing, or they are not of the same training.
    """
    model, report, package = (context.workspace.input(layout, context.name) for layout in (MODEL, REPORT, PACKAGE))
    weights = hash_file(model / "weights.safetensors")
    tested = read_json(report / "tested.json")["weights"]
    packaged = read_json(package / "model.json")["sha256"]["weights"]
    for folder, stage, sha256 in ((report, "evaluate", tested), (package, "package", packaged)):
        if sha256 != weights:
            again = f"dvc repro {stage}@{context.name}`, of a run `python -m stages.{stage} model={context.name} from=…"
            raise UserError(f"{folder}: made of other weights than {model}; make it anew: `{again}`")
    return model, report, package


def publish_folder(folder: Path, context: StageContext, weights: str) -> str:
    """Publishes the files of a folder, unless the same files are published already.

    Args:
        folder: The files, to which the manifest is added.
        context: Whose `publish.to` says where to.
        weights: The model's SHA-256, for the manifest.

    Returns:
        The path or URL of the published folder.
    """
    files = {file.name: {"bytes": file.stat().st_size, "sha256": hash_file(file)} for file in sorted(folder.iterdir())}
    run = f"{context.name}-{hash_json(files)}"
    url = f"{context.model.publish.to.rstrip('/')}/{run}"
    if _exists(f"{url}/{MANIFEST}"):
        console.print(f"published already: {redact_url(url)}", markup=False)
        return url
    write_json(folder / MANIFEST, {"model": context.name, "run": run, "weights": weights, "files": files})
    _copy_files(folder, [*files, MANIFEST], url)
    console.print(f"published {context.name}: {redact_url(url)}, {len(files)} files and {MANIFEST}", markup=False)
    return url


def _copy_files(folder: Path, names: Sequence[str], url: str) -> None:
    """Copies files in order, each whole or not at all; into a folder of this disk all of them or none."""
    if is_remote(url):
        for name in names:
            remote.upload_file(folder / name, f"{url}/{name}")
        return
    target = _resolve_path(url)
    with translate_disk_errors(target), atomic_folder(target) as scratch, translate_disk_errors(target):
        for name in names:
            copy_file(folder / name, scratch / name)


def _exists(url: str) -> bool:
    return remote.object_exists(url) if is_remote(url) else _resolve_path(url).exists()


def _resolve_path(url: str) -> Path:
    """Finds a folder of this disk; a relative path begins at the project."""
    return project_root() / url.removeprefix("file://")


if __name__ == "__main__":
    main()
