"""A stage without a framework, its jobs end as the file `fates` says: seed=raise, exit, kill, again, wait, nothing."""

import os
import signal
import sys
import time
from pathlib import Path

from stages.door import door
from stages.job import Job, Result
from stages.tracking import Run, stage_tags


@door("toy", picks=None, identity=lambda job: str(job.tree.seed))
def main(job: Job) -> Result | None:
    seed = job.tree.seed
    with Path("ran").open("a") as file:
        file.write(f"{seed}\n")
    fate = dict(fate.split("=") for fate in Path("fates").read_text().split()).get(str(seed))
    meet(fate, Path("ran").read_text().split().count(str(seed)))
    if fate == "nothing":
        return None
    if Path("recorded").exists():
        record(job)
    return Result("min.loss", {"loss": abs(seed - 3.2)})


def meet(fate: str | None, times: int) -> None:
    if fate == "raise":
        raise ValueError("a tensor of the wrong shape")
    if fate == "exit":
        sys.exit("no more")
    if fate == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "again" and times == 1:
        os.kill(os.getpid(), signal.SIGUSR2)  # what submitit takes for the end of its time
    if fate == "wait":
        time.sleep(120)


def record(job: Job) -> None:
    run = Run()
    run.open("toy", str(job.tree.seed), stage_tags(job))
    for step in range(50):
        run.metrics({"loss": float(step)}, step)
    run.close("FINISHED")


if __name__ == "__main__":
    main()
