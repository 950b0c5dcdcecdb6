"""What a person waits for before anything begins: stages, `dvc repro` with nothing to do, a service."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import yaml

from benchmarks.packages import package
from benchmarks.server import seconds_to_ready
from benchmarks.timing import Ratio, shorter, turns
from stages.core.workspace import CODE_ROOT

ROUNDS = 5
SCRIPTS = Path(sys.executable).parent
STAGES = {  # module → an override with a typo in it
    "stages.compose": "models.vgg19.train.lrr=1",
    "stages.fetch": "dataset=kagle",
    "stages.preprocess": "dataset=kagle",
    "stages.train": "model=vgg91",
    "stages.evaluate": "model=vgg91",
    "stages.package": "model=vgg91",
    "stages.package.featuriser": "index=mosiac",
    "stages.index": "index=mosiac",
    "stages.package.bento": "bento.worker=1",
}
HYDRA = """\
import hydra
@hydra.main(version_base="1.3", config_path=None)
def main(config): pass
main()
"""
PROJECT = ("bento", "conf", "stages", "dvc.yaml", "params.yaml", "pyproject.toml", "requirements.lock", ".dvcignore")


def starting(rounds: int = ROUNDS) -> list[Ratio]:
    """Time all of it."""
    with tempfile.TemporaryDirectory() as home:
        return [*stages(rounds), *nothing_to_do(Path(home) / "project", rounds), service(Path(home) / "served", rounds)]


def stages(rounds: int, modules: dict[str, str] = STAGES) -> list[Ratio]:
    """Time how long stages take to help and to refuse a typo, against the least program that uses Hydra."""
    entrants = {"hydra": partial(run, [sys.executable, "-c", HYDRA, "--help"], 0)}
    for module, typo in modules.items():
        entrants[f"python -m {module} --help"] = partial(run, [sys.executable, "-m", module, "--help"], 0)
        entrants[f"python -m {module} {typo}"] = partial(run, [sys.executable, "-m", module, typo], 2)
    seen = turns(entrants, rounds, "starting")
    peer = seen.pop("hydra")
    return [shorter(f"`{words}`", ours, peer, "ours ≤ 2 s", "Hydra alone") for words, ours in seen.items()]


def run(command: list[str], expected: int, folder: Path = CODE_ROOT) -> float:
    """Run a command to its end; return how long it took, seconds."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode != expected:
        raise AssertionError(f"{' '.join(command[1:])} → {done.returncode}, not {expected}:\n{done.stderr[-1000:]}")
    return taken


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which nothing reports home and bytecode is kept."""
    quiet = {"DVC_NO_ANALYTICS": "1", "BENTOML_DO_NOT_TRACK": "True", "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    outer = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return outer | quiet | variables


def nothing_to_do(folder: Path, rounds: int) -> list[Ratio]:
    """Time `dvc repro` in a project whose every output is up to date, against the start of DVC alone."""
    finished(folder)
    dvc = str(SCRIPTS / "dvc")
    run([dvc, "repro"], 0, folder)
    seen = turns(
        {"repro": partial(run, [dvc, "repro"], 0, folder), "version": partial(run, [dvc, "--version"], 0, folder)},
        rounds,
        "dvc repro",
    )
    claim = "`dvc repro` with nothing to do"
    return [
        shorter(claim, seen["repro"], [2.5] * rounds, "≥ 1", "the bar"),
        shorter(claim, seen["repro"], seen["version"], "reported", "`dvc --version`"),
    ]


def finished(folder: Path) -> None:
    """Make a project with a small file for every output, and tell DVC that they are what the stages made."""
    folder.mkdir()
    for name in PROJECT:
        (shutil.copytree if (CODE_ROOT / name).is_dir() else shutil.copyfile)(CODE_ROOT / name, folder / name)
    shutil.copytree(CODE_ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for path in outputs():
        target = folder / path if Path(path).suffix else folder / path / "file"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path, encoding="utf-8")
    run([str(SCRIPTS / "dvc"), "commit", "--force", "-q"], 0, folder)


def outputs() -> list[str]:
    """Return the path of every output of every stage."""
    stages = yaml.safe_load((CODE_ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return [out["path"] for stage in stages.values() for out in stage.get("outs", [])]


def service(home: Path, rounds: int) -> Ratio:
    """Time a service until it is ready, against the plainest application on the same model."""
    file = package(home, "base_cnn") / "model.onnx"
    variables = {"BESTIARY_HOME": str(home), "MODEL": str(file), "THREADS": "2"}
    ours = [str(SCRIPTS / "bentoml"), "serve", "bento.service:base_cnn", "--port"]
    peer = [str(SCRIPTS / "uvicorn"), "benchmarks.plain:app", "--log-level", "warning", "--port"]
    both = {"ours": ours, "peer": peer}
    entrants = {name: partial(seconds_to_ready, command, variables) for name, command in both.items()}
    seen = turns(entrants, rounds, "serving")
    claim = "`bentoml serve` of base_cnn until it is ready"
    return shorter(claim, seen["ours"], seen["peer"], "reported", "plain Starlette, same session")
