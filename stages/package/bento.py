"""`python -m stages.package.bento`: self-contained Bentos, one of all models and one of each, into `artifacts/bentos`.

A Bento holds its models as plain files and installs serving dependencies only. BentoML writes the date and the
machine into bento.yaml and README.md; those are taken out, so equal inputs give equal files.
"""

import os
import shutil
from collections.abc import Callable
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import yaml

from stages.checks import EVERYTHING
from stages.config import CODE
from stages.console import console
from stages.door import door
from stages.errors import UserError
from stages.fetch.download import place
from stages.files import write_text
from stages.job import Job
from stages.place import BENTOS, INDEX, PACKAGE

REQUIREMENTS = (
    "bentoml", "httpcore", "jinja2", "numpy", "onnxruntime", "pillow", "python-multipart", "pyyaml", "starlette",
    "uvicorn",
)  # fmt: skip
CODE_FILES = (
    "stages/__init__.py", "stages/files.py", "stages/machine.py", "stages/nearest.py", "stages/runtime.py",
    "stages/preprocess/__init__.py", "stages/preprocess/decode.py", "stages/index/__init__.py",
    "stages/index/collection.py", "stages/index/conditional",
)  # fmt: skip
NEVER = "1970-01-01T00:00:00+00:00"
PACKAGED = ("model.onnx", "model.int8.onnx", "model.json", "examples")  # the rest of a package is for other servers
NOT_SERVED = ("matches.parquet",)


@door("bento", picks=None)
def main(job: Job) -> None:
    """Build every Bento from the packages and indexes that there are."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    found = {name: folder for name in job.tree.models if (folder := job.place.find(PACKAGE, name))}
    found |= {name: folder for name in job.tree.indexes if (folder := job.place.find(INDEX, name))}
    if not found:
        raise UserError("artifacts/packages: no package in it; make them with `dvc repro package`")
    with job.place.write(BENTOS, "") as folder:
        context, store = folder / ".context", folder / ".store"
        store.mkdir()
        os.environ["BENTOML_HOME"] = str(store)
        for name, chosen in {EVERYTHING: list(found), **{name: [name] for name in found}}.items():
            lay_out(context, {served: found[served] for served in chosen}, job)
            build(context, name, required([found[served] for served in chosen]), folder)
            shutil.rmtree(context)
        shutil.rmtree(store)
    built = job.place.root / "artifacts" / "bentos" / EVERYTHING
    console.print(f"built Bentos of {', '.join(sorted(found))} and of all; serve one: bentoml serve {built}")


def lay_out(context: Path, served: dict[str, Path], job: Job) -> None:
    """Put what a Bento holds into a folder: the services, the code they need, their settings, packages and indexes."""
    copy_code(CODE / "bento", context / "bento")
    for name in CODE_FILES:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (copy_code if (CODE / name).is_dir() else shutil.copyfile)(CODE / name, context / name)
    settings = {"bento": vars(job.tree.bento)}
    write_text(context / "params.yaml", yaml.safe_dump(settings, sort_keys=False))
    for name, folder in served.items():
        index = name in job.tree.indexes
        left_out = shutil.ignore_patterns(*NOT_SERVED) if index else only(PACKAGED)
        target = context / (INDEX if index else PACKAGE).format(name)
        shutil.copytree(folder, target, ignore=left_out, copy_function=linked)


def copy_code(folder: Path, target: Path) -> None:
    """Copy a package."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))


def linked(source: str, target: str) -> None:
    """Give a file a second name, or copy it where the disk knows none."""
    place(Path(source).resolve(), Path(target))


def only(names: tuple[str, ...]) -> Callable[[str, list[str]], list[str]]:
    """Return which of a package's files to leave out: all but these, and what lies in folders of these names."""
    return lambda folder, found: [name for name in found if Path(folder).name not in names and name not in names]


def required(served: list[Path]) -> list[str]:
    """Return what a Bento of these packages and indexes installs, each in the version that is installed here."""
    approximate = any((folder / "faiss.index").exists() for folder in served)
    beside = packages_distributions()["faiss"][:1] if approximate else []  # faiss-cpu, or a build for GPUs
    return [f"{package}=={version(package)}" for package in (*REQUIREMENTS, *beside)]


def build(context: Path, name: str, packages: list[str], folder: Path) -> None:
    """Build a Bento in BentoML's store and move it to the folder under its name."""
    import bentoml

    os.environ["BESTIARY_HOME"] = str(context)
    built = bentoml.bentos.build(
        f"bento.service:{'Bestiary' if name == EVERYTHING else name}",
        name=name,
        version="1",
        include=["bento/", "stages/", "artifacts/", "params.yaml"],
        python={"packages": packages, "lock_packages": False},
        build_ctx=str(context),
    )
    shutil.move(built.path, folder / name)
    timeless(folder / name)


def timeless(bento: Path) -> None:
    """Take dates out of what BentoML wrote."""
    file = bento / "bento.yaml"
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["creation_time"] = NEVER
    write_text(file, yaml.safe_dump(content, sort_keys=False))


if __name__ == "__main__":
    main()
