"""`python -m stages.package.bento`: self-contained Bentos, one of all models and one of each, into `artifacts/bentos`.

A Bento holds its models as plain files and installs serving dependencies only. BentoML writes the date and the
machine into bento.yaml and README.md; those are taken out, so equal inputs give equal files.
"""

import os
import re
import shutil
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import yaml

from stages.config.command import stage_command
from stages.config.validation import EVERYTHING
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.download import link_or_copy
from stages.core.errors import UserError
from stages.core.files import write_text
from stages.core.workspace import BENTOS, CODE_ROOT, INDEX, PACKAGE

CODE_FILES = (
    "stages/__init__.py", "stages/core/__init__.py", "stages/core/errors.py", "stages/core/files.py",
    "stages/core/image.py", "stages/core/onnx_model.py", "stages/core/system.py", "stages/index/__init__.py",
    "stages/index/collection.py", "stages/index/conditional",
)  # fmt: skip
NEVER = "1970-01-01T00:00:00+00:00"
PACKAGED = ("model.onnx", "model.int8.onnx", "model.json", "examples")  # the rest of a package is for other servers
NOT_SERVED = ("matches.parquet",)


@stage_command("bento", select=None)
def main(job: StageContext) -> None:
    """Builds a self-contained Bento of each packaged model and index, and one of all."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    found = {name: folder for name in job.tree.models if (folder := job.workspace.find(PACKAGE, name))}
    found |= {name: folder for name in job.tree.indexes if (folder := job.workspace.find(INDEX, name))}
    if not found:
        raise UserError("artifacts/packages: no package in it; make them with `dvc repro package`")
    with job.workspace.output(BENTOS, "") as folder:
        context, store = folder / ".context", folder / ".store"
        store.mkdir()
        os.environ["BENTOML_HOME"] = str(store)
        for name, chosen in {EVERYTHING: list(found), **{name: [name] for name in found}}.items():
            lay_out(context, {served: found[served] for served in chosen}, job)
            build(context, name, required([found[served] for served in chosen]), folder)
            shutil.rmtree(context)
        shutil.rmtree(store)
    built = job.workspace.root / "artifacts" / "bentos" / EVERYTHING
    console.print(f"built Bentos of {', '.join(sorted(found))} and of all; serve one: bentoml serve {built}")


def lay_out(context: Path, served: dict[str, Path], job: StageContext) -> None:
    """Put what a Bento holds into a folder: the services, the code they need, their settings, packages and indexes."""
    copy_code(CODE_ROOT / "bento", context / "bento")
    for name in CODE_FILES:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (copy_code if (CODE_ROOT / name).is_dir() else shutil.copyfile)(CODE_ROOT / name, context / name)
    settings = {"bento": job.tree.bento.model_dump()}
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
    link_or_copy(Path(source).resolve(), Path(target))


def only(names: tuple[str, ...]) -> Callable[[str, list[str]], list[str]]:
    """Return which of a package's files to leave out: all but these, and what lies in folders of these names."""
    return lambda folder, found: [name for name in found if Path(folder).name not in names and name not in names]


def required(served: list[Path]) -> list[str]:
    """Return what a Bento of these packages and indexes installs, each in the version that is installed here."""
    approximate = any((folder / "faiss.index").exists() for folder in served)
    beside = packages_distributions()["faiss"][:1] if approximate else []  # faiss-cpu, or a build for GPUs
    return [f"{package}=={version(package)}" for package in (*serve_requirements(), *beside)]


def serve_requirements() -> list[str]:
    """Reads which packages the services need: the extra `serve` of pyproject.toml, their only list."""
    project = tomllib.loads((CODE_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in project["optional-dependencies"]["serve"]]


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
