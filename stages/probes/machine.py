"""Python, cores, memory, disks, and the environment of this process."""

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from stages.config import project
from stages.machine import CGROUP, MEMINFO, cores, installed, limited
from stages.probes.finding import Finding, gigabytes

MEMORY, DISK, SPARE = 8 * 2**30, 10 * 2**30, 2 * 2**30
PORTS = {3000: "bentoml serve", 5000: "mlflow ui", 8080: "TorchServe", 8081: "TorchServe", 8082: "TorchServe"}
NAMES = ("pypi.org", "download.pytorch.org")
TIMEOUT = 2.0


def python() -> list[Finding]:
    """Return this Python."""
    return [Finding("Python", f"{sys.version.split()[0]}, {sys.executable}", needed=True)]


def processor() -> list[Finding]:
    """Return the cores this process may use, a container's limit too."""
    limit = quota(CGROUP / "cpu.max")
    allowed = min(cores(), limit or cores())
    found = f"{allowed:g} of {os.cpu_count()}" + (" (a container's limit)" if limit and limit < cores() else "")
    if limit and limit < cores():
        cost = f"{cores()} threads take turns on {limit:g} cores: trainings and services stall"
        return [Finding("cores", found, cost, f"say trainer.threads={max(1, int(limit))}, or give the container more")]
    if allowed < 2:
        return [Finding("cores", found, "make demo takes twice its time", "give it 2 cores")]
    return [Finding("cores", found)]


def quota(file: Path) -> float | None:
    """Return how many cores a control group may use, None where nothing limits it."""
    try:
        most, period = file.read_text().split()
        return int(most) / int(period)
    except (OSError, ValueError):  # not there, or "max"
        return None


def memory() -> list[Finding]:
    """Return this machine's memory, a container's limit too."""
    limit = limited(CGROUP / "memory.max")
    size = min(filter(None, (installed(MEMINFO), limit)), default=None)
    if size is None:
        return [Finding("memory", "unknown here")]
    found = gigabytes(size) + (" (a container's limit)" if size == limit else "")
    if size >= MEMORY:
        return [Finding("memory", found)]
    return [Finding("memory", found, "large batches and two frameworks at once are killed", "8 GB; else batch=16")]


def disks() -> list[Finding]:
    """Return the space for data/, artifacts/ and temporary files."""
    temporary = Path(tempfile.gettempdir())
    places = {"data/": (project() / "data", DISK), "artifacts/": (project() / "artifacts", DISK)}
    return [room(name, *place) for name, place in (places | {str(temporary): (temporary, SPARE)}).items()]


def room(name: str, folder: Path, wanted: int) -> Finding:
    """Return how much is free where a folder is, or will be."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(place).free
    thing = f"disk for {name}"
    if not os.access(place, os.W_OK):
        return Finding(thing, "not writable", "no stage can write", f"make {place} writable", needed=True)
    if free >= wanted:
        return Finding(thing, f"{gigabytes(free)} free")
    cost = f"less than {gigabytes(wanted)}: published datasets do not fit, the demo may not"
    return Finding(thing, f"{gigabytes(free)} free", cost, "make room, or move it to a larger disk", free < SPARE // 2)


def bytecode() -> list[Finding]:
    """Return whether Python keeps what it compiles."""
    thing = "PYTHONDONTWRITEBYTECODE"
    if not os.environ.get(thing):
        return [Finding(thing, "not set")]
    cost = "every process compiles its frameworks again, seconds each"
    return [Finding(thing, "set", cost, f"unset {thing} (make does)")]


def ports() -> list[Finding]:
    """Return which of the services' ports are taken."""
    taken = {port: name for port, name in PORTS.items() if not free(port)}
    if not taken:
        return [Finding("ports", f"{', '.join(map(str, PORTS))} free")]
    names = ", ".join(f"{port} ({name})" for port, name in taken.items())
    return [Finding("ports", f"taken: {names}", "these do not start as documented", "end who listens, or say --port")]


def free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def network() -> list[Finding]:
    """Return whether this machine reaches others; nothing is sent."""
    for name in NAMES:
        try:
            with socket.create_connection((name, 443), TIMEOUT):
                return [Finding("network", f"{name} answers")]
        except OSError:
            continue
    cost = "no published dataset, no ImageNet weights; drawn pictures need none"
    return [Finding("network", "none", cost, "place archives and weights as files, or set HTTPS_PROXY")]
