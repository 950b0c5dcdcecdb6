"""`python -m attacks.kill --kills 200`: stages killed at random moments, then run again; what they leave is compared.

An unbroken run of each stage says what there must be. Then, in another copy of the project, the same commands are
killed (SIGKILL, to all of their processes or to the first alone), some of them several times, and run again without
any cleaning up: every file must be as the unbroken run left it, none more, and no process may live on.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.table import Table

from attacks.origin import origin
from attacks.steps import RUN, Step, fresh, needed, published, steps, table
from attacks.traces import Traces, below, differences, traces, unfinished
from attacks.victim import LONGEST, Cold, Victim, Warm, tail
from stages.core.console import console, create_progress

STAGES = ("download", "objects", "fetch", "preprocess", "train", "evaluate", "package")
RATE = 2e5  # bytes a second that are served
LAST = 0.3  # share of the kills that come as outputs are being renamed
LEADER = 0.25  # share that hit the first process alone, as the kernel's out-of-memory killer does
AGAIN = 0.5  # chance that the next attempt is killed too


Tick = Callable[[], object]


@dataclass
class Outcome:
    """What became of one step: kills, commands completed after them, seconds lost by each, what was wrong."""

    kills: int = 0
    completed: int = 0
    lost: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Attack:
    """A project under attack, and the traces that an unbroken one has after each step."""

    unbroken: Path
    broken: Path
    rng: random.Random
    cold: Cold
    warm: Warm | Cold
    dvc: Mapping[str, float]
    earlier: Traces = field(default_factory=dict)

    def run(self, step: Step, kills: int, tick: Tick) -> Outcome:
        """Run a step unbroken, then kill it so many times in the other project."""
        outcome = Outcome()
        self.earlier = below(traces(self.broken), step.output)
        self.forget_downloads(self.unbroken, self.broken)
        usual = {"stage": self.complete(step, "stage", self.unbroken)}
        expected = traces(self.unbroken)
        while outcome.kills < kills and not outcome.wrong:
            way = self.way(step) if outcome.completed else "stage"
            if way not in usual:
                usual[way] = self.complete(step, way, self.broken)
                shutil.rmtree(self.broken / RUN, ignore_errors=True)
            if step.asked:
                self.forget_downloads(self.broken)
            self.round(step, way, min(kills - outcome.kills, 9), usual, expected, outcome, tick)
        if not kills:
            self.complete(step, "stage", self.broken)
        return outcome

    def forget_downloads(self, *projects: Path) -> None:
        """Leave something to download."""
        for project in projects:
            shutil.rmtree(project / "data" / "cache", ignore_errors=True)

    def way(self, step: Step) -> str:
        """Draw who calls the stage."""
        if not step.asked and self.rng.random() < self.dvc.get(step.stage, 0.0):
            return "dvc"
        return "person" if self.rng.random() < 0.3 else "stage"

    def round(
        self, step: Step, way: str, most: int, usual: dict[str, float], expected: Traces, outcome: Outcome, tick: Tick
    ) -> None:
        """Kill a command once or several times, let it complete, and look at what it leaves."""
        spent, killed = 0.0, 0
        while killed < most and (not killed or self.rng.random() < AGAIN):
            began = time.monotonic()
            victim = self.start(step, way, self.broken)
            if not self.strikes(victim, step, way, usual[way], expected):
                outcome.wrong += [f"{way}: status {victim.status}\n{tail(self.cold.log)}"] if victim.status else []
                usual[way] = 0.8 * usual[way]  # it was sooner done than we thought
                break
            whole = self.rng.random() >= LEADER
            outcome.wrong += [f"{way}: lives on: {words}" for words in victim.kill(whole)]
            outcome.wrong += self.torn(step, way, expected)
            spent += time.monotonic() - began
            killed += 1
            tick()
        outcome.kills += killed
        if not killed:
            shutil.rmtree(self.broken / RUN, ignore_errors=True)
        elif not outcome.wrong:
            try:
                last = self.complete(step, way, self.broken)
            except RuntimeError as error:
                outcome.wrong.append(f"{way}: after {killed} kills: {error}")
                return
            outcome.completed += 1
            outcome.lost.append(spent + last - usual[way])
            outcome.wrong += [f"{way}: {what}" for what in self.left(step, way, expected)]

    def start(self, step: Step, way: str, project: Path) -> Victim:
        """Start a step's command."""
        return (self.cold if way == "dvc" else self.warm).start(step.command(way), project)

    def complete(self, step: Step, way: str, project: Path) -> float:
        """Run a command to its end; return how long that took, seconds. Raise RuntimeError if it fails."""
        began = time.monotonic()
        victim = self.start(step, way, project)
        if not victim.wait(LONGEST) or victim.status:
            raise RuntimeError(f"{' '.join(step.command(way))}: status {victim.status}\n{tail(self.cold.log)}")
        return time.monotonic() - began

    def strikes(self, victim: Victim, step: Step, way: str, usual: float, expected: Traces) -> bool:
        """Wait for the moment to kill; return False where the command ends before."""
        if self.rng.random() >= LAST:
            return not victim.wait(self.rng.uniform(0.05, 0.95) * usual)
        target = self.place(step, way)
        scratch = target.with_name(f".{target.name}.partial")
        whole, seen = len({path.partition("/")[0] for path in below(expected, step.output)}), False
        while not victim.wait(0.002):
            there = scratch.exists()
            if (seen and not there) or (there and sum(1 for _ in scratch.iterdir()) >= whole):
                return not victim.wait(self.rng.uniform(0, 0.03))
            seen = seen or there
        return False

    def place(self, step: Step, way: str) -> Path:
        """Return where a step's output lies."""
        return (self.broken / RUN if way == "person" else self.broken) / step.output

    def torn(self, step: Step, way: str, expected: Traces) -> list[str]:
        """Say what is not whole in an output that is there after a kill; DVC links outputs into place one by one."""
        if way == "dvc" or not self.place(step, way).exists():
            return []
        found = below(traces(self.broken), step.output, RUN if way == "person" else "")
        return differences(below(expected, step.output), found) if found != self.earlier else []

    def left(self, step: Step, way: str, expected: Traces) -> list[str]:
        """Say what is missing, stray or different after a command has completed."""
        found = traces(self.broken)
        wrong = []
        if way == "person":
            wrong = differences(below(expected, step.output), below(found, step.output, RUN))
            beside = (self.broken / RUN / step.output).parent.iterdir()
            wrong += [f"stray: {path.name}" for path in beside if path.name.startswith(".")]
            shutil.rmtree(self.broken / RUN)
            found = {path: value for path, value in found.items() if not path.startswith("runs/")}
        return wrong + differences(expected, found)


def attack(
    base: Path, kills: Mapping[str, int], seed: int, dvc: Mapping[str, float], cold: bool = False
) -> dict[str, Outcome]:
    """Kill every step named so many times, in projects made below `base`; return what became of each.

    `dvc` says of stages which share of the kills hits `dvc repro`.
    """
    chosen = needed(kills)
    scratch = base / "tmp"
    scratch.mkdir(parents=True)
    found = {}
    with prepared(base, seed, dvc, cold, scratch) as (assault, url), create_progress() as bar:
        known, task = steps(url), bar.add_task("killing", total=sum(kills.values()))
        for name in chosen:
            found[name] = assault.run(known[name], kills.get(name, 0), lambda: bar.advance(task))
            if found[name].wrong:
                break
    return {name: outcome for name, outcome in found.items() if outcome.kills or outcome.wrong}


@contextmanager
def prepared(
    base: Path, seed: int, dvc: Mapping[str, float], cold: bool, scratch: Path
) -> Iterator[tuple[Attack, str]]:
    """Yield an attack on two fresh projects, and the address of what is downloaded."""
    log, files = base / "log.txt", published(base / "published")
    log.touch()
    changes = {"TMPDIR": str(scratch)}
    single = Cold(log, **changes)
    forking = single if cold else Warm(log, **changes)
    with origin(files, RATE) as server:
        server.files["images.csv"] = table([name for name in files if name.startswith("objects/")], server.url)
        try:
            unbroken, broken = (fresh(base / name) for name in ("unbroken", "broken"))
            yield Attack(unbroken, broken, random.Random(seed), single, forking, dvc), server.url
        finally:
            if isinstance(forking, Warm):
                forking.close()


def spread(stages: list[str], kills: int) -> dict[str, int]:
    """Return how many kills each stage gets."""
    return {name: kills // len(stages) + (number < kills % len(stages)) for number, name in enumerate(stages)}


def show(found: Mapping[str, Outcome], base: Path) -> bool:
    """Print a row for each step and what was wrong; return whether all was well."""
    shown = Table("stage", "kills", "completed", "seconds lost, median", "wrong")
    for name, outcome in found.items():
        lost = f"{median(outcome.lost):.1f}" if outcome.lost else ""
        shown.add_row(name, str(outcome.kills), str(outcome.completed), lost, str(len(outcome.wrong)))
    console.print(shown)
    left = sum(file.stat().st_size for file in (base / "tmp").rglob("*") if file.is_file()) / 2**20
    console.print(
        f"left in the folder for temporary files: {left:.1f} MB; "
        f"runs that MLflow takes for running: {unfinished(base / 'broken')}"
    )
    for name, outcome in found.items():
        for what in outcome.wrong:
            console.print(f"{name}: {what}", markup=False)
    return not any(outcome.wrong for outcome in found.values())


def main() -> None:
    """Attack, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m attacks.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="how many in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(steps("")), metavar="STAGE",
                        help=f"of {', '.join(steps(''))} (default: all but those of the collection)")  # fmt: skip
    parser.add_argument("--dvc", type=float, default=0.1, help="share of the kills that hit `dvc repro`")
    parser.add_argument("--cold", action="store_true", help="start every command as a process of its own: slower")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bestiary-kill-") as folder:
        base, kills = Path(folder), spread(arguments.stages, arguments.kills)
        shares = dict.fromkeys((step.stage for step in steps("").values()), arguments.dvc)
        found = attack(base, kills, arguments.seed, shares, arguments.cold)
        sys.exit(0 if show(found, base) else 1)


if __name__ == "__main__":
    main()
