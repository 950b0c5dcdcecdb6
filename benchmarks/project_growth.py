"""How starting grows with the project: the same commands with 6 and with 100 models, and beside a bare Hydra app."""

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.startup import PROJECT, SCRIPTS, run
from benchmarks.timing import Ratio, shorter, turns
from stages.core.workspace import CODE_ROOT

ROUNDS = 5
FEW, MANY = 6, 100
MODEL = """\
defaults: [/framework@_here_: lightning, _self_]
dataset: kaggle
train: {network: {name: base_cnn, dropout: 0.2}, epochs: 10, optimizer: {name: adamw}}
"""
BARE = """\
import hydra
@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config): pass
main()
"""
TYPO = ["model=base_cnn", "models.base_cnn.train.lrr=1"]
COMMANDS = {  # words after `python -m` → exit status
    "stages.train model=base_cnn models.base_cnn.train.lrr=1": 2,
    "stages.train --config-name repro model=base_cnn": 2,  # its data are not there yet
    "stages.compose": 0,
}


def measure_growth(rounds: int = ROUNDS) -> list[Ratio]:
    """Times a typo, DVC's way into a stage, compose and `dvc status` with few and with many models."""
    with tempfile.TemporaryDirectory() as home:
        few, many = (create_project(Path(home) / str(count), count) for count in (FEW, MANY))
        (few / "bare.py").write_text(BARE, encoding="utf-8")
        return [*compare_sizes(few, many, rounds), *compare_with_hydra(few, rounds)]


def create_project(folder: Path, models: int) -> Path:
    """Copies the project and adds models to it until there are so many, counting the index."""
    folder.mkdir()
    for name in PROJECT:
        (shutil.copytree if (CODE_ROOT / name).is_dir() else shutil.copyfile)(CODE_ROOT / name, folder / name)
    shutil.copytree(CODE_ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    config = folder / "conf" / "config.yaml"
    text, entry = config.read_text(encoding="utf-8"), "  - models@models.base_cnn: base_cnn\n"
    present = text.count("  - models@") + text.count("  - indexes@")
    for number in range(models - present):
        (folder / "conf" / "models" / f"m{number:03d}.yaml").write_text(MODEL, encoding="utf-8")
        text = text.replace(entry, f"{entry}  - models@models.m{number:03d}: m{number:03d}\n")
    config.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    run([sys.executable, "-m", "stages.compose"], 0, folder)
    return folder


def compare_sizes(few: Path, many: Path, rounds: int) -> list[Ratio]:
    """Compares each command in a project of many models with itself in one of few."""
    ratios = []
    for words, status in COMMANDS.items():
        command = [sys.executable, "-m", *words.split()]
        times = turns(
            {"few": partial(run, command, status, few), "many": partial(run, command, status, many)}, rounds, words
        )
        bar = "many ≤ 12 s" if words == "stages.compose" else "≥ 0.77 (1/1.3)"
        ratios.append(shorter(f"`{words}`, {MANY} models", times["many"], times["few"], bar, f"{FEW} models"))
    status_of = [str(SCRIPTS / "dvc"), "status"]
    times = turns(
        {"few": partial(run, status_of, 0, few), "many": partial(run, status_of, 0, many)}, rounds, "dvc status"
    )
    return [*ratios, shorter(f"`dvc status`, {MANY} models", times["many"], times["few"], "reported", f"{FEW} models")]


def compare_with_hydra(folder: Path, rounds: int) -> list[Ratio]:
    """Compares --help and a typo with the least program that uses Hydra on the same conf/config.yaml."""
    ours, bare = [sys.executable, "-m", "stages.train"], [sys.executable, "bare.py"]
    times = turns(
        {
            "help": partial(run, [*ours, "--help"], 0, folder),
            "bare help": partial(run, [*bare, "--help"], 0, folder),
            "typo": partial(run, [*ours, *TYPO], 2, folder),
            "bare typo": partial(run, [*bare, *TYPO], 1, folder),
        },
        rounds,
        "beside Hydra",
    )
    return [
        shorter(f"`stages.train`, {name}", times[name], times[f"bare {name}"], "≥ 0.91 (1/1.1)", "a bare Hydra app")
        for name in ("help", "typo")
    ]
