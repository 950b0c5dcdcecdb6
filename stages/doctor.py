"""`python -m stages.doctor`: checks this machine for all that the project uses, and says how to mend what it lacks."""

import argparse
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from urllib.parse import urlsplit

from rich.markup import escape
from rich.table import Column, Table

from stages.core.console import console
from stages.core.errors import nearest_existing
from stages.core.mlflow_store import SQLITE, describe_store, store_uri
from stages.core.redaction import redact_credentials
from stages.core.system import CGROUP, MEMINFO, cpu_count, read_cgroup_limit, read_meminfo
from stages.core.workspace import project_root

PYTHONS = ((3, 11), (3, 13))  # the first and the last that requirements.lock can be installed for
MIN_JAVA = 11  # what TorchServe runs on
MIN_MEMORY, MIN_DISK, MIN_TEMPORARY = 8, 10, 2  # GB
PORTS = {3000: "bentoml serve", 5000: "mlflow ui", 8080: "TorchServe", 8081: "TorchServe", 8082: "TorchServe"}
HOSTS = ("download.microsoft.com", "vision.stanford.edu")  # of published datasets
FRAMEWORKS = {  # module → its GPUs
    "torch": "[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]"
    " + ['Metal'] * torch.backends.mps.is_available()",
    "tensorflow": "[gpu.name for gpu in tensorflow.config.list_physical_devices('GPU')]",
    "onnxruntime": "[name for name in onnxruntime.get_available_providers() if name[:3] not in ('CPU', 'Azu')]",
    "faiss": "['GPU build'] * (getattr(faiss, 'get_num_gpus', int)() > 0)",
    "jax": "[str(device) for device in jax.devices() if device.platform != 'cpu']",
}
FRAMEWORK_TIMEOUT = 90.0  # seconds; frameworks import slowly from a cold disk

_STATE_COLORS = {"ok": "green", "lacks": "yellow", "missing": "bold red"}
_TIMED_OUT = 124  # exit status, as coreutils' timeout has it
_REACH_REMOTE = """
import fsspec, sys
system, path = fsspec.core.url_to_fs(sys.argv[1])
sys.exit(None if system.exists(path) else "nothing there yet")
"""


@dataclass(frozen=True)
class Finding:
    """A row of the report. It has a cost and a mend where something lacks; `needed` is what `make demo` requires."""

    thing: str
    detail: str
    cost: str = ""
    mend: str = ""
    needed: bool = False

    @property
    def state(self) -> str:
        """Grades the finding: "ok", "lacks", or "missing" where `make demo` needs the thing."""
        return "ok" if not self.cost else "missing" if self.needed else "lacks"


Probe = Callable[[], list[Finding]]


def main() -> int:
    """Runs the probes and prints a table; the exit status is 1 if something is missing that `make demo` needs."""
    parser = argparse.ArgumentParser(prog="python -m stages.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="leave out the frameworks, which take seconds to import")
    arguments = parser.parse_args()
    probes: list[Probe] = [
        probe_python, probe_git, probe_cores, probe_memory, probe_disks, probe_bytecode, probe_links, probe_remotes,
        probe_mlflow_store, probe_torchserve, probe_ports, probe_network,
    ]  # fmt: skip
    if not arguments.quick:
        probes += [partial(probe_framework, module) for module in FRAMEWORKS]
    with console.status(f"{len(probes)} probes"):
        findings = run_probes(probes)
    if arguments.json:
        print(json.dumps([asdict(row) | {"state": row.state} for row in findings], indent=2))  # noqa: T201
    else:
        print_table(findings)
    return int(any(row.state == "missing" for row in findings))


def run_probes(probes: list[Probe]) -> list[Finding]:
    """Runs probes side by side. One that fails becomes a finding itself; the others go on."""
    findings = []
    with ThreadPoolExecutor(len(probes)) as pool:
        for probe, future in [(probe, pool.submit(probe)) for probe in probes]:
            try:
                findings += future.result()
            except Exception as error:  # a probe meets machines that nobody foresaw
                name = getattr(probe, "__name__", "a probe")
                findings.append(Finding(name, f"{type(error).__name__}: {error}"[:200], "unknown", "please report it"))
    return findings


def print_table(findings: list[Finding]) -> None:
    """Prints the findings, and whether `make demo` can run."""
    table = Table("thing", Column("found", overflow="fold"), "state", "cost", "mend", header_style="bold")
    for row in findings:
        state = f"[{_STATE_COLORS[row.state]}]{row.state}"
        table.add_row(row.thing, escape(row.detail), state, row.cost, escape(row.mend))
    console.print(table)
    missing = ", ".join(row.thing for row in findings if row.state == "missing")
    console.print(f"make demo cannot run: {missing}" if missing else "everything that make demo needs is here")


def probe_python() -> list[Finding]:
    """Checks that the locked packages can be installed for this Python."""
    first, last = (".".join(map(str, version)) for version in PYTHONS)
    detail = f"{sys.version.split()[0]} ({first}–{last} are supported), {sys.executable}"
    supported = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    mend = "remove .venv, then: make PYTHON=python3.12 demo"
    return [_check(supported, "Python", detail, "the locked packages cannot be installed", mend, needed=True)]


def probe_git() -> list[Finding]:
    """Checks for git and a repository, without which DVC refuses every command."""
    version, cost = _run("git", "--version"), "DVC does not run"
    git = _check(not version.returncode, "git", _answer(version), cost, "install git", needed=True)
    if version.returncode:
        return [git]
    if _read_dvc_settings().get("core", "no_scm", fallback="").lower() == "true":
        return [git, Finding("git repository", "none; core.no_scm lets DVC do without")]
    process = _run("git", "-C", str(project_root()), "rev-parse", "--absolute-git-dir")
    mend = "git init && git add -A && git commit -m start"
    return [git, _check(not process.returncode, "git repository", _answer(process), cost, mend, needed=True)]


def probe_cores() -> list[Finding]:
    """Compares the cores that this process sees with a container's limit on their time."""
    cores = cpu_count()
    limit = float(cores)
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = (CGROUP / "cpu.max").read_text().split()
        limit = min(cores, int(quota) / int(period))
    if limit < cores:
        detail, cost = f"{limit:g} of {os.cpu_count()} (a container's limit)", "more threads than cores take turns"
        return [Finding("cores", detail, cost, f"set trainer.threads={max(1, int(limit))}, or raise the limit")]
    detail = f"{cores} of {os.cpu_count()}"
    return [_check(cores > 1, "cores", detail, "make demo takes twice as long", "use 2 cores or more")]


def probe_memory() -> list[Finding]:
    """Checks the memory of this machine, or the limit of its container."""
    limit = read_cgroup_limit(CGROUP / "memory.max")
    size = min(filter(None, (read_meminfo(MEMINFO), limit)), default=None)
    if size is None:
        return [Finding("memory", "unknown here")]
    detail = f"{size / 2**30:.1f} GB" + (" (a container's limit)" if size == limit else "")
    cost = "large batches, or two frameworks at once, are killed"
    return [_check(size >= MIN_MEMORY * 2**30, "memory", detail, cost, f"use {MIN_MEMORY} GB, or smaller batches")]


def probe_disks() -> list[Finding]:
    """Checks the space for data, artifacts and temporary files."""
    rows = []
    for name, size in {"data/": MIN_DISK, "artifacts/": MIN_DISK, gettempdir(): MIN_TEMPORARY}.items():
        folder = nearest_existing(project_root() / name)
        free = shutil.disk_usage(folder).free / 2**30 if os.access(folder, os.W_OK) else 0
        detail = f"{free:.1f} GB free" if free else "not writable"
        cost = f"less than {size} GB: published datasets do not fit, the demo may not"
        mend = f"make room in {folder}" if free else f"make {folder} writable"
        rows.append(_check(free >= size, f"disk for {name}", detail, cost, mend, needed=free < 1))
    return rows


def probe_bytecode() -> list[Finding]:
    """Checks that Python keeps the modules it has compiled."""
    name = "PYTHONDONTWRITEBYTECODE"
    value, cost = os.environ.get(name), "every process compiles its frameworks again, seconds each"
    return [_check(not value, name, "set" if value else "not set", cost, f"unset {name} (make does)")]


def probe_framework(module: str) -> list[Finding]:
    """Imports a framework in a process of its own, as it may hang or crash, and lists the GPUs that it sees."""
    cost, mend = "stages that use it do not run", "make demo, or uv pip install -r requirements.lock"
    if module == "jax":
        cost, mend = "train.backend=jax does not run", "uv pip install jax"
    code = f"import json, {module}\nprint('\\n' + json.dumps([{module}.__version__, {FRAMEWORKS[module]}]))"
    process = _run(sys.executable, "-c", code, timeout=FRAMEWORK_TIMEOUT)
    if process.returncode:
        needed = module != "jax" and process.returncode != _TIMED_OUT
        return [Finding(module, _answer(process), cost, mend, needed)]
    version, gpus = json.loads(_answer(process))
    cost = "trainings use the processor: hours become days at the published sizes"
    mend = "use a machine with a GPU, and trainer.accelerator=auto"
    detail = f"{version}; {', '.join(gpus) or 'no GPU'}"
    return [_check(gpus or module != "torch", module, detail, cost, mend)]


def probe_links() -> list[Finding]:
    """Tries whether DVC can fill the project's folders with hardlinks into its cache."""
    cache = project_root() / ".dvc" / _read_dvc_settings().get("cache", "dir", fallback="cache")
    cost, rows = "DVC makes symlinks or copies: more disk, slower checkouts", []
    mend = "put the cache on the project's file system: dvc cache dir --local PATH"
    for name in ("data/", "artifacts/"):
        reason = _try_link(nearest_existing(cache.resolve()), nearest_existing(project_root() / name))
        rows.append(_check(not reason, f"links, DVC's cache → {name}", reason or "hardlinks", cost, mend))
    return rows


def probe_remotes() -> list[Finding]:
    """Checks that DVC's remotes answer."""
    settings, rows = _read_dvc_settings(), []
    for section in settings.sections():
        if section.startswith("'remote "):
            url = settings[section].get("url", "")
            address = url if urlsplit(url).scheme else str((project_root() / ".dvc" / url).resolve())
            process = _run(sys.executable, "-c", _REACH_REMOTE, address, timeout=20.0)
            reason = _answer(process).partition(":")[0]  # the rest may hold the address with its login
            detail = f"{redact_credentials(url)}: {reason if process.returncode else 'answers'}"
            mend = "dvc push; if that fails, check the address, the network and the credentials"
            rows.append(_check(not process.returncode, f"DVC {section[1:-1]}", detail, "nothing to pull", mend))
    mend = "dvc remote add -d NAME s3://BUCKET/PATH, then dvc push"
    return rows or [Finding("DVC remotes", "none", "data and models stay on this machine", mend)]


def probe_mlflow_store() -> list[Finding]:
    """Checks that MLflow's store answers and can be written."""
    uri, failed = store_uri(), False
    try:
        detail = _ask_database(Path(uri.removeprefix(SQLITE))) if uri.startswith(SQLITE) else _ask_server(uri)
    except (sqlite3.Error, OSError, ValueError) as error:
        detail, failed = str(error), True
    mend = "start the server; make a database writable and stop what locks it, or move it away: a new one is created"
    cost = "trainings run, but are not recorded"
    return [_check(not failed, "MLflow store", f"{describe_store()}: {detail}", cost, mend)]


def probe_torchserve() -> list[Finding]:
    """Checks for TorchServe and the Java that it runs on."""
    installed, java = find_spec("ts") is not None, _run("java", "-version").stderr.partition("\n")[0]
    version = re.search(r'"(\d+)', java)
    recent = version is not None and int(version[1]) >= MIN_JAVA
    detail, cost = "installed" if installed else "not installed", "a .mar is packaged, but cannot be tried here"
    mend = f"install a Java runtime of {MIN_JAVA} or later (apt-get install default-jre-headless)"
    torchserve = _check(installed, "TorchServe", detail, cost, "uv pip install torchserve")
    return [torchserve, _check(recent, "Java", java, cost, mend)]


def probe_ports() -> list[Finding]:
    """Checks that the ports of the services are free."""
    taken = []
    for port, program in PORTS.items():
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                taken.append(f"{port} ({program})")
    detail = f"taken: {', '.join(taken)}" if taken else f"{', '.join(map(str, PORTS))} free"
    return [_check(not taken, "ports", detail, "these do not start", "stop what listens there, or set --port")]


def probe_network() -> list[Finding]:
    """Connects to the servers that packages and weights come from; nothing is sent."""
    for host in HOSTS:
        with suppress(OSError), socket.create_connection((host, 443), timeout=2):
            return [Finding("network", f"{host} answers")]
    cost = "no published dataset, no ImageNet weights; drawn pictures need none"
    return [Finding("network", "none", cost, "give archives and weights as files, or set HTTPS_PROXY")]


def _check(ok: object, thing: str, detail: str, cost: str, mend: str, needed: bool = False) -> Finding:
    return Finding(thing, detail, needed=needed) if ok else Finding(thing, detail, cost, mend, needed)


def _try_link(cache: Path, folder: Path) -> str:
    try:
        with TemporaryDirectory(dir=cache) as source, TemporaryDirectory(dir=folder) as target:
            Path(source, "file").touch()
            os.link(Path(source, "file"), Path(target, "file"))
    except OSError as error:
        return f"no hardlinks: {error.strerror or error}"
    return ""


def _ask_database(file: Path) -> str:
    if not file.exists():
        return "created by the first run"
    with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as store:
        store.execute("DELETE FROM runs WHERE 0")  # deletes nothing; fails where the file is locked or read-only
        return f"{store.execute('SELECT count(*) FROM runs').fetchone()[0]} runs"


def _ask_server(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return "not checked"
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    socket.create_connection((parts.hostname, port), timeout=2).close()
    return "answers"


def _read_dvc_settings() -> ConfigParser:
    settings = ConfigParser(interpolation=None, strict=False)
    for file in (project_root() / ".dvc" / "config", project_root() / ".dvc" / "config.local"):
        if file.exists():  # DVC indents keys, which ConfigParser would take for continued lines
            settings.read_string("\n".join(line.strip() for line in file.read_text(encoding="utf-8").splitlines()))
    return settings


def _run(*command: str, timeout: float = 10.0) -> subprocess.CompletedProcess[str]:
    """Runs a program; one that is not there or does not end fails with that as its error output."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except OSError:
        return subprocess.CompletedProcess(command, 127, "", "not installed")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, _TIMED_OUT, "", f"no answer within {timeout:.0f} s")


def _answer(process: subprocess.CompletedProcess[str]) -> str:
    text = process.stderr if process.returncode else process.stdout
    return (text.strip().splitlines() or ["no output"])[-1][:200]


if __name__ == "__main__":
    sys.exit(main())
