"""Pictures that lie elsewhere, brought into a folder of this disk; one that is there already is not asked for again."""

from collections.abc import Mapping
from pathlib import Path

from stages.core.concurrency import Executor
from stages.core.console import console
from stages.core.files import exclusive_lock
from stages.fetch.located import Remote
from stages.fetch.objects import Manner, Wanted, spread


def bring(found: Mapping[Remote, str], root: Path, manner: Manner, engine: Executor) -> dict[Remote, str]:
    """Fetch pictures, each named with where it is asked for, below `root`; return why some did not come."""
    with exclusive_lock(root, "fetching pictures"):
        missing = {item.cached(root): item for item in found if not item.cached(root).exists()}
        wanted = [Wanted(item.bucket, item.key, target, found[item]) for target, item in missing.items()]
        failed = {
            missing[outcome.item.target]: outcome.why
            for outcome in spread(wanted, manner, engine)
            if outcome.state == "failed"
        }
    fetched, there = len(missing) - len(failed), len(found) - len(missing)
    console.print(f"pictures: {fetched} fetched, {there} were there already, {len(failed)} did not come")
    return failed
