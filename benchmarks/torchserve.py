"""A real TorchServe on free ports, with archives of this project."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.server import free_port

PATIENCE = 240.0
PORTS = ("INFERENCE_ADDRESS", "MANAGEMENT_ADDRESS", "METRICS_ADDRESS", "GRPC_INFERENCE_PORT", "GRPC_MANAGEMENT_PORT")


def has_java() -> bool:
    """Return whether there is the Java that TorchServe runs on."""
    return shutil.which("java") is not None


@contextmanager
def torchserve(config: Path, archives: list[Path], variables: dict[str, str]) -> Iterator[str]:
    """Serve archives with a config.properties, its ports aside; yield the inference API's host:port when all answer.

    Temporary files are its own: TorchServe keeps one instance for each temporary folder. Ending what starts it would
    leave Java running, so Java is ended, by its id.
    """
    with tempfile.TemporaryDirectory() as home:
        ports = {name: free_port() for name in PORTS}
        told = {f"TS_{name}": f"http://127.0.0.1:{p}" if "ADDRESS" in name else str(p) for name, p in ports.items()}
        own = {"TMPDIR": home, "TEMP": home, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        process = subprocess.Popen(
            command(config, store(Path(home), archives)),
            cwd=home,
            env=os.environ | own | told | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            for archive in archives:
                wait(process, f"http://127.0.0.1:{ports['MANAGEMENT_ADDRESS']}/models/{archive.stem}")
            yield f"127.0.0.1:{ports['INFERENCE_ADDRESS']}"
        finally:
            end(process, Path(home) / ".model_server.pid")


def store(home: Path, archives: list[Path]) -> Path:
    """Return a folder that holds the archives alone, as second names of their files."""
    folder = home / "model-store"
    folder.mkdir()
    for archive in archives:
        (folder / archive.name).symlink_to(archive.resolve())
    return folder


def command(config: Path, models: Path) -> list[str]:
    """Return the documented command."""
    names = [f"{file.stem}={file.name}" for file in sorted(models.iterdir())]
    words = ["--start", "--foreground", "--ncs", "--ts-config", str(config.resolve()), "--model-store", str(models)]
    return [str(Path(sys.executable).with_name("torchserve")), *words, "--models", *names]


def wait(process: "subprocess.Popen[bytes]", address: str) -> None:
    """Return once all workers of a model are ready."""
    end_of_patience = time.monotonic() + PATIENCE
    while time.monotonic() < end_of_patience:
        if process.poll() is not None:
            raise RuntimeError(f"TorchServe ended with {process.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                (model,) = json.load(answer)
            if [worker["status"] for worker in model["workers"]] == ["READY"] * model["minWorkers"]:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"TorchServe: no worker was ready within {PATIENCE:.0f} s: {address}")


def end(process: "subprocess.Popen[bytes]", pid: Path) -> None:
    """End Java, which ends its workers; what has started it then ends by itself."""
    if process.poll() is None and pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
