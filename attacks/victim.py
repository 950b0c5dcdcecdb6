"""Commands that are started to be killed: as processes of their own, or forked by one that has the frameworks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import psutil

from attacks.project import environment
from stages import SILENT

FRAMEWORKS = (
    "hydra", "matplotlib.figure", "mlflow.onnx", "model_archiver.model_packaging", "onnx", "onnxruntime", "onnxscript",
    "pandas", "PIL.Image", "pyarrow.parquet", "pytorch_lightning", "requests", "safetensors.torch", "sklearn.metrics",
    "torch._dynamo", "torch.onnx", "torchvision.transforms.v2",
)  # fmt: skip
PATIENCE = 5.0  # seconds within which what a killed process started must have ended too
LONGEST = 600.0


@dataclass
class Victim:
    """A running command: its process, which leads a session, and its exit status once it has ended."""

    pid: int
    ended: SimpleQueue[int] = field(default_factory=SimpleQueue)
    status: int | None = None

    def wait(self, seconds: float) -> bool:
        """Return whether it ends within so many seconds."""
        if self.status is None:
            try:
                self.status = self.ended.get(timeout=max(0.0, seconds))
            except Empty:
                return False
        return True

    def kill(self, whole: bool) -> list[str]:
        """Kill its session, or its first process alone; return what goes on living all the same."""
        members = family(self.pid)
        (os.killpg if whole else os.kill)(self.pid, signal.SIGKILL)
        self.wait(LONGEST)
        _, alive = psutil.wait_procs(members, timeout=PATIENCE)
        found = [" ".join(process.cmdline()) or str(process.pid) for process in alive]
        for process in alive:
            process.kill()
        return found


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started, and those that have started."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Cold:
    """Starts `python -m` and other commands as a shell does."""

    def __init__(self, log: Path, **changes: str) -> None:
        self.log, self.changes = log, changes

    def start(self, words: Sequence[str], project: Path) -> Victim:
        """Start a command in a project; `stages.…` is a module of Python's."""
        command = [sys.executable, "-m", *words] if words[0].startswith("stages.") else list(words)
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command, cwd=project, env=environment(**self.changes), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        victim = Victim(process.pid)
        Thread(target=lambda: victim.ended.put(process.wait()), daemon=True).start()
        return victim


class Warm:
    """Starts modules by forking a process that has the frameworks imported."""

    def __init__(self, log: Path, **changes: str) -> None:
        self.log = log
        script = Path(__file__).with_name("nursery.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), *FRAMEWORKS], env=environment(**SILENT, **changes), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._answer()

    def start(self, words: Sequence[str], project: Path) -> Victim:
        """Start a module of Python's in a project."""
        assert self._process.stdin is not None
        command = {"words": list(words), "project": str(project), "log": str(self.log)}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        victim = Victim(int(self._answer()))
        Thread(target=lambda: victim.ended.put(int(self._answer())), daemon=True).start()
        return victim

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks has ended")
        return line.strip()


def tail(log: Path) -> str:
    """Return the end of what commands have printed."""
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]
