"""`python -m attacks.pictures`: hostile pictures through decode, preprocess and predict."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.drawn import drawn
from attacks.eaten import Eaten, decoded, predicted, prepared
from attacks.mutations import Mutation, mutations
from attacks.verdict import verdict
from benchmarks.packages import ORDINARY, package
from stages.core.console import track


def main() -> int:
    """Send hostile pictures through decode, preprocess and predict, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m attacks.pictures", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="pictures to make (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance (default: %(default)s)")
    parser.add_argument("--files", type=Path, help="a folder of further files to mutate")
    given = parser.parse_args()
    seeds = drawn() + [file.read_bytes() for file in sorted(given.files.iterdir())] if given.files else drawn()
    hostile = list(track(mutations(seeds, given.count, given.seed), given.count, "mutating"))
    with TemporaryDirectory() as home:
        package(Path(home), size=ORDINARY)
        targets: tuple[Callable[[list[Mutation]], Eaten], ...]
        targets = (decoded, partial(prepared, scratch=Path(home)), partial(predicted, home=Path(home)))
        found = [target(hostile) for target in track(targets, len(targets), "targets")]
    columns = ("target", "given", "kept", "refused", "seconds", "slowest", "MB more")
    return verdict(columns, ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
