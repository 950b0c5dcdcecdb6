"""Programs beside Python: git, Java and TorchServe, a browser."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from stages.probes.finding import Finding

JAVA = 11
TIMEOUT = 10.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def git() -> list[Finding]:
    """Return git."""
    said = version("git", "--version")
    if said:
        return [Finding("git", said, needed=True)]
    cost = "DVC finds no project, experiments have no commit"
    return [Finding("git", "not there", cost, "install git", needed=True)]


def java() -> list[Finding]:
    """Return Java, which TorchServe runs on."""
    said = version("java", "-version")
    cost = "a .mar is made, but cannot be tried here"
    mend = f"install a Java runtime of {JAVA} or later (apt-get install default-jre-headless)"
    if not said:
        return [Finding("Java", "not there", cost, mend)]
    number = major(said)
    return [Finding("Java", said) if number is None or number >= JAVA else Finding("Java", said, cost, mend)]


def major(said: str) -> int | None:
    """Return the major version in what `java -version` says, None where there is none: 17 of "17.0.1", 8 of "1.8"."""
    numbers = said.partition('"')[2].partition('"')[0].split(".")
    digits = numbers[1] if numbers[0] == "1" and len(numbers) > 1 else numbers[0]
    return int(digits) if digits.isdigit() else None


def torchserve() -> list[Finding]:
    """Return TorchServe."""
    if shutil.which("torchserve", path=beside()) or find_spec("ts"):
        return [Finding("TorchServe", "installed")]
    cost = "a .mar is made, but cannot be tried here"
    return [Finding("TorchServe", "not there", cost, "pip install torchserve")]


def browser() -> list[Finding]:
    """Return a browser that the tests of the pages can use."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return [Finding("Chromium", found)]
    return [Finding("Chromium", "not there", "the tests of the pages are skipped", "apt-get install chromium")]


def beside() -> str:
    """Return where this Python's programs are, and then the usual places."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def version(*command: str) -> str:
    """Return the first line that a program says of its version, nothing where it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines and not done.returncode else ""
