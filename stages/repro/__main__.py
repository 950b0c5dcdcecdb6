"""`python -m stages.repro [--jobs N] [TARGET …]`: what `dvc repro` does, independent stages side by side."""

import argparse
import sys
from collections.abc import Sequence

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.console import console
from stages.errors import first_line, refusal
from stages.interrupts import heed, status
from stages.machine import cores
from stages.repro.pipeline import Pipeline
from stages.repro.turns import Turns
from stages.repro.view import View


def main() -> None:
    """Reproduce, and exit with 1 where a stage failed, with 128 and the signal's number where it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m stages.repro", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="stages to reproduce, with what they need: all")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N", help="stages at a time: %(default)s")
    words = parser.parse_args()
    if words.jobs < 1:
        sys.exit(refusal(f"--jobs: {words.jobs} is out of range; at least 1 stage runs at a time"))
    heed()
    try:
        sys.exit(reproduce(words.targets, words.jobs))
    except DvcException as error:
        sys.exit(refusal(first_line(error)))
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from here")
        sys.exit(status())


def reproduce(targets: Sequence[str], jobs: int) -> int:
    """Run the stages that are out of date and return the exit status."""
    pipeline = Pipeline(Repo(_wait_for_lock=True), targets)
    with pipeline.ordered(), View(len(pipeline.steps)) as view:
        turns = Turns(pipeline, jobs, view)
        turns.run()
    failed, skipped = sorted(turns.failed), sorted(turns.skipped)
    if failed:
        console.print(f"[red]failed[/]: {', '.join(failed)}" + (f"; not run: {', '.join(skipped)}" if skipped else ""))
    elif not turns.ran:
        console.print("Data and pipelines are up to date.")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
