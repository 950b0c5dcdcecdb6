"""`python -m benchmarks.deployment [BENTO]`: what a Bento's image would install, how large, how soon it answers.

Needs an index of packages, since it installs what the Bento asks for into a virtual environment of its own.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.server import seconds_to_ready
from stages.core.console import console
from stages.core.workspace import project_root

ROUNDS = 5
BENTO = "artifacts/bentos/breeds"


def main() -> None:
    """Install, weigh, start, and print what was found."""
    bento = (project_root() / (sys.argv[1] if len(sys.argv) > 1 else BENTO)).resolve()
    with tempfile.TemporaryDirectory() as home:
        installed = install(bento, Path(home))
        packages = list(installed.glob("*.dist-info"))
        command = [str(Path(home) / "bin" / "bentoml"), "serve", str(bento), "--port"]
        times = [seconds_to_ready(command, {"BENTOML_HOME": f"{home}/bentoml"}) for _ in range(ROUNDS)]
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


if __name__ == "__main__":
    main()
