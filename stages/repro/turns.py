"""Whose turn it is: every stage when what it needs is done, so many at a time, each as a `dvc repro` of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.repro.pipeline import Pipeline
from stages.repro.view import View

POLL = 0.1  # seconds between two looks at what runs
GRACE = 30.0  # seconds in which an interrupted stage may end by itself


class Turns:
    """Runs a pipeline's stages; one that fails keeps back what needs it, and nothing else."""

    def __init__(self, pipeline: Pipeline, jobs: int, view: View) -> None:
        self.pipeline, self.jobs, self.view = pipeline, jobs, view
        self.waiting = pipeline.steps
        self.stale: set[str] = set()  # ready and out of date
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.done: set[str] = set()
        self.ran: set[str] = set()
        self.failed: set[str] = set()
        self.skipped: set[str] = set()

    def run(self) -> None:
        """Run until nothing is left; whatever ends this ends the stages that run."""
        with self.ended():
            self.begin()
            while self.running:
                time.sleep(POLL)
                if over := [name for name, process in self.running.items() if process.poll() is not None]:
                    for name in over:
                        self.end(name, self.running.pop(name).returncode)
                    self.begin()

    def begin(self) -> None:
        """Start what is ready and out of date, as far as there is room; what is up to date is done."""
        with self.pipeline.held():
            for name in list(self.waiting):
                needs = self.pipeline.needs[name]
                if needs & (self.failed | self.skipped):
                    self.leave(name, self.skipped)
                elif needs <= self.done and name not in self.stale:
                    self.look(name)
                if name in self.stale and len(self.running) < self.jobs:
                    self.waiting.remove(name)
                    self.start(name)

    def look(self, name: str) -> None:
        """Find out whether a stage is up to date, which ends it, or out of date."""
        if self.pipeline.changed(name):
            self.stale.add(name)
        else:
            self.leave(name, self.done)

    def leave(self, name: str, among: set[str]) -> None:
        """Have done with a stage that does not run."""
        self.waiting.remove(name)
        among.add(name)
        self.view.count()

    def start(self, name: str) -> None:
        """Start a stage in a process group of its own: it is interrupted by this process alone, and once."""
        command = [sys.executable, "-m", "dvc", *self.pipeline.command(name)]
        with self.log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=self.pipeline.repo.root_dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.view.begin(name)

    def end(self, name: str, status: int) -> None:
        """Note how a stage ended; one that failed shows what it printed."""
        (self.failed if status else self.done).add(name)
        self.ran.add(name)
        self.view.end(name, self.log(name) if status else None)

    def log(self, name: str) -> Path:
        """Return where a stage prints to."""
        return self.pipeline.logs() / f"{name.replace('/', '_')}.log"

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End what still runs: as Ctrl-C does, then by force."""
        try:
            yield
        finally:
            for process in self.running.values():
                send(process, signal.SIGINT)
            patience = time.monotonic() + GRACE
            for process in self.running.values():
                try:
                    process.wait(max(0.0, patience - time.monotonic()))
                except (subprocess.TimeoutExpired, KeyboardInterrupt):
                    patience = 0.0
                    send(process, signal.SIGKILL)
                    process.wait()
            if self.running:
                self.pipeline.mend()


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, number)
