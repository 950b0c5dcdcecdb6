"""`python -m benchmarks.deployment [BENTO]`: what a Bento's image would install, how large, how soon it answers.

Needs an index of packages, since it installs what the Bento asks for into a virtual environment of its own.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.server import free_port
from stages.config import project
from stages.console import console

ROUNDS = 5
BENTO = "artifacts/bentos/breeds"


def main() -> None:
    """Install, weigh, start, and print what was found."""
    bento = (project() / (sys.argv[1] if len(sys.argv) > 1 else BENTO)).resolve()
    with tempfile.TemporaryDirectory() as home:
        installed = install(bento, Path(home))
        packages = list(installed.glob("*.dist-info"))
        times = [seconds_to_ready(Path(home) / "bin", bento) for _ in range(ROUNDS)]
        console.print(f"{bento.name}: {len(packages)} packages, {weight(installed) / 1e6:.0f} MB installed")
        console.print(f"ready in {statistics.median(times):.1f} s ({min(times):.1f}–{max(times):.1f}, {ROUNDS} starts)")
        console.print(f"the Bento itself: {weight(bento) / 1e6:.0f} MB")


def install(bento: Path, home: Path) -> Path:
    """Install what a Bento asks for; return where the packages lie."""
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    wanted = bento / "env" / "python" / "requirements.txt"
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(wanted)], check=True)
    return next(home.glob("lib/python*/site-packages"))


def weight(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def seconds_to_ready(scripts: Path, bento: Path) -> float:
    """Return how long it takes from the command to the first answer of /readyz, seconds."""
    port = free_port()
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(scripts.parent / "bentoml")}
    command = [str(scripts / "bentoml"), "serve", str(bento), "--port", str(port)]
    start = time.perf_counter()
    with subprocess.Popen(command, env=os.environ | quiet, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not answers(f"http://127.0.0.1:{port}/readyz"):
            time.sleep(0.02)
        took = time.perf_counter() - start
        if process.poll() is not None:
            raise SystemExit(f"{bento}: the service ended with {process.returncode}")
        process.terminate()
    return took


def answers(url: str) -> bool:
    """Return whether a URL answers."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
