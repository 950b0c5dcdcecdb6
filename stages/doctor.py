"""`python -m stages.doctor`: what this machine has and lacks, what each lack costs, and what mends it."""

import argparse
import json
import sys

from rich.markup import escape
from rich.table import Table

from stages.console import console
from stages.probes import frameworks, machine, programs, storage
from stages.probes.finding import Finding, Probe

COLOURS = {"ok": "green", "lacks": "yellow", "missing": "bold red"}


def main() -> int:
    """Probe, print a table, and return 1 where something is missing that `make demo` needs."""
    parser = argparse.ArgumentParser(prog="python -m stages.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="do not ask the frameworks, which takes seconds")
    given = parser.parse_args()
    probes = chosen(given.quick)
    if given.json:
        found = frameworks.together(probes)
        print(json.dumps([one.as_dict() for one in found], indent=2))  # noqa: T201
    else:
        with console.status(f"{len(probes)} probes"):
            found = frameworks.together(probes)
        show(found)
    return int(any(one.state == "missing" for one in found))


def chosen(quick: bool) -> list[Probe]:
    """Return the probes, those of frameworks unless it shall be quick."""
    here: list[Probe] = [machine.python, machine.processor, machine.memory, machine.disks, machine.bytecode]
    beside: list[Probe] = [programs.git, programs.java, programs.torchserve, programs.browser]
    stored: list[Probe] = [storage.links, storage.remotes, storage.tracking, frameworks.weights]
    return [*here, *([] if quick else frameworks.probes()), *stored, *beside, machine.ports, machine.network]


def show(found: list[Finding]) -> None:
    """Print a table, and what it comes to."""
    table = Table("thing", "found", "", "costs", "mend", header_style="bold")
    for one in found:
        colour = COLOURS[one.state]
        table.add_row(one.thing, escape(one.found), f"[{colour}]{one.state}", one.cost, escape(one.mend))
    console.print(table)
    missing = [one.thing for one in found if one.state == "missing"]
    if missing:
        console.print(f"[bold red]make demo cannot run: {', '.join(missing)}[/]")
    else:
        console.print("everything that make demo needs is here")


if __name__ == "__main__":
    sys.exit(main())
