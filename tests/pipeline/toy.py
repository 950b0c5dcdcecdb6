"""A stage without a framework, its jobs end as the file `fates` says: seed=raise, exit, kill, again, wait, nothing."""

import os
import signal
import sys
import time
from pathlib import Path

from stages.config.command import stage_command
from stages.core.context import StageContext, StageResult
from stages.core.tracking import TrackedRun, collect_tags


@stage_command("toy", select=None, input_hash=lambda job: str(job.tree.seed))
def main(job: StageContext) -> StageResult | None:
    seed = job.tree.seed
    with Path("ran").open("a") as file:
        file.write(f"{seed}\n")
    fate = dict(fate.split("=") for fate in Path("fates").read_text().split()).get(str(seed))
    meet(fate, Path("ran").read_text().split().count(str(seed)))
    if fate == "nothing":
        return None
    if Path("recorded").exists():
        record(job)
    return StageResult("loss", "min", {"loss": abs(seed - 3.2)})


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


def record(job: StageContext) -> None:
    run = TrackedRun()
    run.open("toy", str(job.tree.seed), collect_tags(job))
    for step in range(50):
        run.log_epoch({"epoch": step, "loss": float(step)})
    run.close("FINISHED")


if __name__ == "__main__":
    main()
