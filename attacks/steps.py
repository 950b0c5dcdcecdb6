"""The stages of one model, as commands to be killed, and what an unbroken run of each leaves."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from attacks.origin import folder_files
from attacks.project import copy_project, environment
from stages.config.schema import Synthetic

DRAWN = Synthetic(images=160, unlabelled=0, corrupt=4, classes=2, smallest=64, largest=200)
RUN = "runs/attack"


@dataclass(frozen=True)
class Step:
    """A stage's command, its name in dvc.yaml, its output, and what is asked for beside (overrides)."""

    words: tuple[str, str]
    target: str
    output: str
    asked: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """Its stage in dvc.yaml."""
        return self.target.partition("@")[0]

    def command(self, way: str, run: str = RUN) -> list[str]:
        """Return the command as DVC runs it ("stage"), as a person does ("person", to `run`), or DVC's own ("dvc")."""
        module, pick = self.words
        if way == "dvc":
            return ["dvc", "repro", "--single-item", "--force", self.target]
        if way == "stage" and not self.asked:
            return [module, "--config-name", "repro", pick]
        # DVC's way takes no overrides: a person's command that works in the project itself does the same
        door = ["hydra.run.dir=.", "hydra.output_subdir=null"] if way == "stage" else [f"hydra.run.dir={run}"]
        return [module, *door, pick, *self.asked]


def steps(url: str) -> dict[str, Step]:
    """Return every step by name, in order; `url` serves what is downloaded."""
    cats, rows = ("stages.fetch", "dataset=kaggle"), ("stages.fetch", "dataset=s3_csv")
    archive = f"datasets.kaggle.fetch.url={url}/dogs-vs-cats.zip"
    table = (f"datasets.s3_csv.fetch.url={url}/images.csv", "datasets.s3_csv.fetch.layout={name: s3_csv, workers: 2}")
    found = {
        "download": Step(cats, "fetch@kaggle", "data/raw/kaggle", (archive,)),
        "objects": Step(rows, "fetch@s3_csv", "data/raw/s3_csv", table),
        "fetch": Step(cats, "fetch@kaggle", "data/raw/kaggle"),
        "preprocess": Step(("stages.preprocess", "dataset=kaggle"), "preprocess@kaggle", "data/prepared/kaggle"),
    }
    for stage, folder in (("train", "models"), ("evaluate", "reports"), ("package", "packages")):
        words = (f"stages.{stage}", "model=base_cnn")
        found[stage] = Step(words, f"{stage}@base_cnn", f"artifacts/{folder}/base_cnn")
    return found | collection()


def collection() -> dict[str, Step]:
    """Return the steps of the searchable collection."""
    art, mosaic = "dataset=artworks", "index=mosaic"
    return {
        "fetch-artworks": Step(("stages.fetch", art), "fetch@artworks", "data/raw/artworks"),
        "preprocess-artworks": Step(("stages.preprocess", art), "preprocess@artworks", "data/prepared/artworks"),
        "featuriser": Step(("stages.package.featuriser", mosaic), "featuriser@mosaic", "artifacts/featurisers/mosaic"),
        "index": Step(("stages.index", mosaic), "index@mosaic", "artifacts/indexes/mosaic"),
    }


NEEDS: dict[str, tuple[str, ...]] = {
    "preprocess": ("fetch",),
    "train": ("fetch", "preprocess"),
    "evaluate": ("fetch", "preprocess", "train"),
    "package": ("fetch", "preprocess", "train"),
    "preprocess-artworks": ("fetch-artworks",),
    "featuriser": ("fetch-artworks", "preprocess-artworks"),
    "index": ("fetch-artworks", "preprocess-artworks", "featuriser"),
}


def needed(chosen: Mapping[str, int]) -> list[str]:
    """Return the names of the steps to run, in order: those that are killed, and what they need."""
    wanted = {name for step in chosen for name in (step, *NEEDS.get(step, ()))}
    return [name for name in steps("") if name in wanted]


def fresh(folder: Path) -> Path:
    """Return a copy of the project with the smoke profile and a DVC that knows no git."""
    copy_project(folder)
    config = folder / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("- profile: demo", "- profile: smoke"))
    settings = folder / ".dvc" / "config"
    settings.write_text(settings.read_text().replace("[core]\n", "[core]\n    no_scm = true\n"))
    for words in ((), ("--check",)):  # what DVC's own first stage does
        command = [sys.executable, "-m", "stages.compose", *words]
        subprocess.run(command, cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return folder


def published(scratch: Path) -> dict[str, bytes]:
    """Return files to be downloaded: an archive of cats and dogs, and the same as objects that a table names."""
    from stages.layouts import kaggle

    scratch.mkdir(parents=True, exist_ok=True)
    archive = kaggle.draw(scratch, DRAWN, seed=1)
    return folder_files(scratch) | objects(archive)


def objects(archive: Path) -> dict[str, bytes]:
    """Return half of an archive's pictures, each under a name of its own."""
    from stages.core.archive import ArchiveReader
    from stages.layouts import kaggle

    reader = ArchiveReader()
    entries = [entry for entry in kaggle.entries(archive, archive.parent / "nested") if entry.label]
    half = enumerate(entries[: len(entries) // 2])
    found = {f"objects/{entry.label}/{number}.jpg": reader.read(entry) for number, entry in half}
    reader.close()
    return found


def table(names: list[str], url: str) -> bytes:
    """Return the table that names objects."""
    rows = [f"{url}/objects,{name.removeprefix('objects/')},{name.split('/')[1]},{'dog' in name:d}" for name in names]
    return "\n".join(["bucket,s3_image,category,label", *rows, ""]).encode()
