"""A stage without a framework, whose jobs end as the file `fates` says: seed=raise, exit or kill."""

import os
import signal
import sys
from pathlib import Path

from stages.door import door
from stages.job import Job, Result
from stages.tracking import Run, stage_tags


@door("toy", picks=None, identity=lambda job: str(job.tree.seed))
def main(job: Job) -> Result:
    seed = job.tree.seed
    with Path("ran").open("a") as file:
        file.write(f"{seed}\n")
    fates = Path("fates").read_text().split()
    meet(dict(fate.split("=") for fate in fates).get(str(seed)))
    if Path("recorded").exists():
        record(job)
    return Result("min.loss", {"loss": abs(seed - 3.2)})


def meet(fate: str | None) -> None:
    if fate == "raise":
        raise ValueError("a tensor of the wrong shape")
    if fate == "exit":
        sys.exit("no more")
    if fate == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def record(job: Job) -> None:
    run = Run()
    run.open("toy", str(job.tree.seed), stage_tags(job))
    for step in range(50):
        run.metrics({"loss": float(step)}, step)
    run.close("FINISHED")


if __name__ == "__main__":
    main()
