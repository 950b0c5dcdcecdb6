"""`python -m attacks.disk`: every stage on a disk that is full, then on one that is read-only (needs root on Linux).

A project on a tmpfs that leaves room for a share of what a stage writes: the stage must say so in one line and leave
every file as it was; when there is room again, the same command must complete. Then the disk is
mounted read-only, and the stage must say that before it works.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from attacks.steps import Step, fresh, needed, steps
from attacks.traces import Traces, differences, traces
from attacks.victim import LONGEST, Cold, Warm
from stages.core.console import console, track

STAGES = ("fetch", "preprocess", "train", "evaluate", "package", "publish")
KEPT = (".checkpoints", "data/cache")  # unfinished work that the next attempt goes on with
SHARES = (0.5, 0.0, 0.9)
SIZE = "1500m"
PUBLISH, PUBLISHED, TESTED = "publish", "published", ("evaluate", "package")
FULL, CLOSED = "the disk is full", "not allowed (read-only file system)"
WORK = ("drawing", "packing", "epoch 1", "testing", "packaged", "published")  # printed by stages at work


class NotPermitted(Exception):
    """This process may not mount."""


@dataclass
class Disk:
    """A small file system in memory."""

    folder: Path

    def fill(self, room: int) -> None:
        """Leave room for so many bytes more."""
        state = os.statvfs(self.folder)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        mount("-o", f"remount,size={used + max(room, state.f_frsize)}", str(self.folder))

    def empty(self) -> None:
        """Give all the room."""
        mount("-o", f"remount,size={SIZE}", str(self.folder))

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Have it read-only."""
        mount("-o", "remount,ro", str(self.folder))
        try:
            yield
        finally:
            mount("-o", "remount,rw", str(self.folder))


def mount(*words: str) -> None:
    """Call mount, or raise NotPermitted."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPermitted(done.stderr.strip())


@contextmanager
def disk(folder: Path, size: str = SIZE) -> Iterator[Disk]:
    """Mount an empty disk of a size at a folder, for as long as this lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Attack:
    """A project on such a disk."""

    disk: Disk
    project: Path
    starter: Warm | Cold
    shares: Sequence[float]
    wrong: list[str] = field(default_factory=list)

    def run(self, step: Step, way: str) -> None:
        """Break one step in every manner, each time after it has completed, so that there are earlier outputs."""
        self.call(step, way, expect=0)
        expected = traces(self.project)
        need = written(self.project / step.output)
        for share in self.shares if way != "dvc" else self.shares[:1]:
            before = self.ready(step, way)
            self.disk.fill(int(share * need))
            try:
                said = self.call(step, way, expect=None if way == "dvc" else 2)
                self.look(step, way, said, FULL, before)
            finally:
                self.disk.empty()
            self.call(step, way, expect=0)
            self.note(step, way, differences(expected, traces(self.project)))
        if way != "dvc":
            before = self.ready(step, way)
            with self.disk.closed():
                said = self.call(step, way, expect=2)
            self.look(step, way, said, CLOSED, before)
            self.note(step, way, [f"worked before it looked: {word}" for word in WORK if word in said])

    def ready(self, step: Step, way: str) -> Traces:
        """Return what must still be there after a refusal.

        DVC takes a stage's outputs away before it runs, and what is published already would not be published again.
        """
        if way == "dvc" or step.output == PUBLISHED:
            shutil.rmtree(self.project / step.output)
        return traces(self.project)

    def call(self, step: Step, way: str, expect: int | None) -> str:
        """Run the command and return what it says; None expects any failure."""
        log = self.starter.log
        log.write_text("")
        victim = self.starter.start(step.command(way), self.project)
        victim.wait(LONGEST)
        said = log.read_text(encoding="utf-8", errors="replace")
        if victim.status != expect if expect is not None else victim.status == 0:
            self.note(step, way, [f"status {victim.status}: {said[-2000:]}"])
        return said

    def look(self, step: Step, way: str, said: str, reason: str, expected: Traces) -> None:
        """Check what a refusal says and leaves."""
        left = {path: value for path, value in traces(self.project).items() if not path.startswith(KEPT)}
        there = {path: value for path, value in expected.items() if not path.startswith(KEPT)}
        self.note(step, way, [f"after the refusal {what}" for what in differences(there, left)])
        lines = [line for line in said.splitlines() if line.startswith("error ")]
        if way != "dvc" and (len(lines) != 1 or reason not in lines[0] or "Traceback" in said):
            self.note(step, way, [f"said: {said[-2000:]}"])

    def note(self, step: Step, way: str, wrong: Sequence[str]) -> None:
        """Note what is wrong, and say it."""
        for what in wrong:
            self.wrong.append(f"{' '.join(step.command(way))}: {what}")
            console.print(self.wrong[-1], markup=False)


def written(folder: Path) -> int:
    """Return how many bytes the files below a folder have."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def attack(
    base: Path, chosen: Sequence[str], ways: Sequence[str], shares: Sequence[float] = SHARES, cold: bool = False
) -> dict[str, list[str]]:
    """Break every stage chosen, in a project on a disk mounted below `base`; return what was wrong with each."""
    log, found = base / "log.txt", {}
    base.mkdir(parents=True, exist_ok=True)
    with disk(base / "disk") as small:
        changes = {"MLFLOW_TRACKING_URI": f"sqlite:///{base / 'mlflow.db'}", "TMPDIR": str(base)}
        known, single = steps("") | {PUBLISH: publishing(small.folder / "project")}, Cold(log, **changes)
        starter = single if cold else Warm(log, **changes)
        assault = Attack(small, fresh(small.folder / "project"), starter, shares)
        names = order(chosen)
        try:
            for name in track(names, len(names), "breaking"):
                if name not in chosen:
                    assault.call(known[name], "stage", expect=0)
                for way in ways if name in chosen and name != PUBLISH else ("stage",) * (name in chosen):
                    Attack.run(through(assault, single, way), known[name], way)
                found[name], assault.wrong = assault.wrong, []
        finally:
            if isinstance(starter, Warm):
                starter.close()
    return {name: wrong for name, wrong in found.items() if name in chosen}


def order(chosen: Sequence[str]) -> list[str]:
    """Return the names of the stages to run, in order: those chosen, and what they need."""
    if PUBLISH not in chosen:
        return needed(dict.fromkeys(chosen, 1))
    return [*needed(dict.fromkeys([*chosen, *TESTED], 1)), PUBLISH]


def through(assault: Attack, single: Cold, way: str) -> Attack:
    """Return the attack with what starts commands of this way."""
    return Attack(assault.disk, assault.project, single, assault.shares, assault.wrong) if way == "dvc" else assault


def publishing(project: Path) -> Step:
    """Return the step that publishes to a folder."""
    words, target = ("stages.publish", "model=base_cnn"), f"models.base_cnn.publish.to={project / PUBLISHED}"
    return Step(words, "", PUBLISHED, (target,))


def show(found: dict[str, list[str]]) -> bool:
    """Print a row for each stage and what was wrong; return whether all was well."""
    shown = Table("stage", "wrong")
    for name, wrong in found.items():
        shown.add_row(name, str(len(wrong)))
    console.print(shown)
    return not any(found.values())


def main() -> None:
    """Attack, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m attacks.disk", description=__doc__)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=[*steps(""), PUBLISH], metavar="STAGE")
    parser.add_argument("--dvc", action="store_true", help="break `dvc repro` too: slower")
    parser.add_argument("--cold", action="store_true", help="start every command as a process of its own: slower")
    arguments = parser.parse_args()
    ways = ["stage", "dvc"] if arguments.dvc else ["stage"]
    with tempfile.TemporaryDirectory(prefix="bestiary-disk-") as folder:
        try:
            found = attack(Path(folder), arguments.stages, ways, cold=arguments.cold)
        except NotPermitted as error:
            sys.exit(f"needs to mount a file system: {error}")
    sys.exit(0 if show(found) else 1)


if __name__ == "__main__":
    main()
