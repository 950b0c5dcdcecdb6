"""`python -m attacks.api`: schemathesis sends every protocol what its OpenAPI document allows, and what it does not.

Every status, header and body must be as described; nothing but a full queue is answered 5xx.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.service import attacked, laid_out
from attacks.verdict import verdict
from stages.core.console import create_progress
from stages.core.workspace import project_root

EXAMPLES = 40  # of an operation in a round
SCRIPT = Path(sys.executable).parent / "schemathesis"
PICTURES = "positive_data_acceptance,negative_data_rejection"  # which bytes are a picture no schema says
# BentoML describes this route and words its errors itself: its 400 is a list, its details are objects.
OWN = f"{PICTURES},response_schema_conformance"
DOCUMENTS = {
    "/openapi/torchserve.json": PICTURES,
    "/openapi/v2.json": "positive_data_acceptance",
    "/openapi/base64.json": "positive_data_acceptance",
    "/openapi/classify.json": PICTURES,
    "/openapi/similar.json": PICTURES,
    "/docs.json": OWN,
}
COUNT = re.compile(r"Test cases:\s+([\d,]+) generated")


@dataclass(frozen=True)
class Fuzzed:
    """What schemathesis found in a document's routes."""

    document: str
    cases: int
    found: list[str]

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        return self.document, f"{self.cases:,}"

    @property
    def wrong(self) -> list[str]:
        """What does not hold."""
        return self.found if self.cases else ["no case was made", *self.found]


def fuzzed(address: str, document: str, examples: int, seed: int, scratch: Path) -> Fuzzed:
    """Run schemathesis on a document with so many examples an operation."""
    words = ["--url", f"http://{address}", "--checks", "all", "--exclude-checks", DOCUMENTS[document]]
    words += ["--max-examples", str(examples), "--seed", str(seed), "--no-color", "--continue-on-failure"]
    words += ["--suppress-health-check", "all", "--warnings", "off"]
    command = [str(SCRIPT), "run", f"http://{address}{document}", *words]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, errors="replace", check=False)
    count = COUNT.search(done.stdout)
    said = re.findall(r"^_+ (.+?) _+$|^- (ST\d.*)$|^    (curl .*)$", done.stdout, re.MULTILINE)
    found = [" ".join(words)[:300] for words in said] if done.returncode else []
    if done.returncode and not found:
        found = [f"schemathesis ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}"]
    return Fuzzed(document, int(count[1].replace(",", "")) if count else 0, found)


def attack(address: str, documents: list[str], cases: int, seed: int, scratch: Path) -> list[Fuzzed]:
    """Send so many cases at least, in rounds of all documents; each round has a seed of its own."""
    found: list[Fuzzed] = []
    with create_progress() as bar:
        task = bar.add_task("cases", total=cases)
        while sum(one.cases for one in found) < cases:
            for document in documents:
                found.append(fuzzed(address, document, EXAMPLES, seed, scratch))
                bar.advance(task, found[-1].cases)
            if not sum(one.cases for one in found[-len(documents) :]):
                break
            seed += 1
    return [together([one for one in found if one.document == document]) for document in documents]


def together(rounds: list[Fuzzed]) -> Fuzzed:
    """Return what the rounds of a document found."""
    found = dict.fromkeys(said for one in rounds for said in one.found)
    return Fuzzed(rounds[0].document, sum(one.cases for one in rounds), list(found))


def main() -> int:
    """Attack the services of every packaged model and index of the project."""
    parser = argparse.ArgumentParser(prog="python -m attacks.api", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default: %(default)s)")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        code = laid_out(Path(scratch) / "code", url_timeout=1.0)
        with attacked(code, project_root(), "Bestiary") as server:
            found = attack(server.address, list(DOCUMENTS), given.cases, given.seed, Path(scratch))
    return verdict(("document", "cases"), ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
