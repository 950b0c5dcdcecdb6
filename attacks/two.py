"""`python -m attacks.two`: the same command twice at once, by DVC and by persons; what is left must be as of one."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.table import Table

from attacks.origin import origin
from attacks.steps import Step, fresh, published, steps
from attacks.traces import below, differences, locked, traces
from attacks.victim import LONGEST, Cold, Victim
from stages.core.console import console, track

SOON = 60.0  # seconds within which who cannot go on says so: a start of DVC's, on a busy machine
RATE = 3e5
REFUSALS = ("Unable to acquire lock", "is busy")  # DVC's own words
ARCHIVE = "dogs-vs-cats.zip"
CASES = ("repro", "download", "train")


class Twice:
    """Starts a command twice in a project and keeps what each of them says."""

    def __init__(self, base: Path, project: Path) -> None:
        self.base, self.project = base, project

    def start(self, words: list[str], number: int) -> Victim:
        """Start one of the two."""
        return Cold(self.log(number)).start(words, self.project)

    def run(self, *commands: list[str]) -> list[Victim]:
        """Start commands at once and wait for all of them."""
        victims = [self.start(words, number) for number, words in enumerate(commands)]
        for victim in victims:
            victim.wait(LONGEST)
        return victims

    def log(self, number: int) -> Path:
        """Return where one of the two prints."""
        file = self.base / f"log-{number}.txt"
        file.touch()
        return file

    def said(self) -> list[str]:
        """Return what each has said."""
        return [self.log(number).read_text(encoding="utf-8", errors="replace") for number in (0, 1)]


def repro(twice: Twice, step: Step) -> list[str]:
    """`dvc repro` twice: each completes or is refused soon; what is locked is what lies there."""
    twice.run(step.command("dvc"))
    expected, hashes = traces(twice.project), locked(twice.project)
    began = time.monotonic()
    victims = [twice.start(step.command("dvc"), number) for number in (0, 1)]
    wrong = []
    for victim, other in (victims, victims[::-1]):
        if not victim.wait(SOON) and not other.wait(0):
            wrong.append(f"neither ended nor refused after {time.monotonic() - began:.0f} s")
        victim.wait(LONGEST)
    states = [victim.status for victim in victims]
    if 0 not in states:
        wrong.append(f"neither completed: {states} {twice.said()}")
    for state, said in zip(states, twice.said(), strict=True):
        if state and not any(words in said for words in REFUSALS):
            wrong.append(f"failed without saying that another is at work: {said[-1500:]}")
    found = differences(expected, traces(twice.project))
    return [*wrong, *found, *(["dvc.lock has changed"] if locked(twice.project) != hashes else [])]


def download(twice: Twice, step: Step) -> list[str]:
    """Two persons fetch the same archive: both have it whole, and it came once."""
    victims = twice.run(*(step.command("person", f"runs/{number}") for number in (0, 1)))
    return same(twice, victims, step, "downloading")


def train(twice: Twice, step: Step) -> list[str]:
    """Two persons train the same: both end, with the same weights, and no checkpoint is left."""
    victims = twice.run(*(step.command("person", f"runs/{number}") for number in (0, 1)))
    left = [f"left: {path}" for path in traces(twice.project, (".checkpoints",))]
    return [*same(twice, victims, step, "training base_cnn with the same values"), *left]


def same(twice: Twice, victims: list[Victim], step: Step, doing: str) -> list[str]:
    """Say where two persons' outputs differ, and whether one of them was told to wait."""
    if any(victim.status for victim in victims):
        return [f"status {[victim.status for victim in victims]}: {twice.said()}"]
    found = traces(twice.project)
    wrong = differences(*(below(found, step.output, f"runs/{number}") for number in (0, 1)))
    if not below(found, step.output, "runs/0"):
        wrong.append("nothing was made")
    waited = sum(f"another process is {doing}" in said for said in twice.said())
    return wrong if waited == 1 else [*wrong, f"{waited} of 2 said that they wait"]


def attack(base: Path, cases: tuple[str, ...] = CASES) -> dict[str, list[str]]:
    """Run each case in a fresh project; return what was wrong with it."""
    found: dict[str, list[str]] = {}
    base.mkdir(parents=True, exist_ok=True)
    with origin(published(base / "published"), RATE) as server:
        known = steps(server.url)
        for case in track(cases, len(cases), "twice"):
            twice = Twice(base, fresh(base / case))
            if case == "repro":
                found[case] = repro(twice, known["fetch"])
            elif case == "download":
                found[case] = download(twice, known["download"])
                found[case] += [f"sent {server.sent} bytes"] if server.sent > 1.2 * len(server.files[ARCHIVE]) else []
            else:
                twice.run(known["fetch"].command("stage"))
                twice.run(known["preprocess"].command("stage"))
                found[case] = train(twice, known["train"])
    return found


def main() -> None:
    """Attack, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m attacks.two", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bestiary-two-") as folder:
        found = attack(Path(folder), tuple(arguments.cases))
    shown = Table("twice at once", "wrong")
    for case, wrong in found.items():
        shown.add_row(case, "\n".join(wrong) or "nothing")
    console.print(shown)
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
