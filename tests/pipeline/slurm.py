"""As much of SLURM as a sweep calls, on this machine: `sbatch` starts an array's tasks at once."""

import os
import re
import shlex
import subprocess
import sys
import time
from itertools import dropwhile
from pathlib import Path

JOB = "77"


def sbatch(file: str) -> None:
    text = Path(file).read_text()
    last = int(re.findall(r"^#SBATCH --array=0-(\d+)", text, re.MULTILINE)[0])
    for task in range(last + 1):
        own = {"ARRAY_JOB_ID": JOB, "ARRAY_TASK_ID": str(task), "JOB_ID": str(int(JOB) + task), "NTASKS": "1"}
        own |= {"JOB_NUM_NODES": "1", "NODEID": "0", "JOB_NODELIST": "node1", "PROCID": "0", "LOCALID": "0"}
        environment = os.environ | {f"SLURM_{name}": value for name, value in own.items()}
        quiet = subprocess.DEVNULL  # who waits for sbatch's output must not wait for the job's
        subprocess.Popen(["bash", file], env=environment, start_new_session=True, stdout=quiet, stderr=quiet)
    sys.stdout.write(f"Submitted batch job {JOB}\n")


def srun(*words: str) -> None:
    own = {"%A": JOB, "%a": os.environ["SLURM_ARRAY_TASK_ID"], "%t": "0"}
    output, error = (words[words.index(name) + 1] for name in ("--output", "--error"))
    for mark, value in own.items():
        output, error = output.replace(mark, value), error.replace(mark, value)
    rest = words[words.index("--error") + 2 :]
    command = list(dropwhile(lambda word: word.startswith("--"), rest))
    while not Path(output).parent.exists():  # submitit makes it once `sbatch` has answered
        time.sleep(0.1)
    with Path(output).open("w") as out, Path(error).open("w") as err:
        sys.exit(subprocess.run(command, stdout=out, stderr=err, check=False).returncode)


def sacct(*_: str) -> None:
    sys.stdout.write("JobID|State|NodeList\n")


def install(folder: Path) -> Path:
    """Put the commands into a folder, for PATH."""
    folder.mkdir()
    for name in ("sbatch", "srun", "sacct"):
        call = f'exec {shlex.quote(sys.executable)} {shlex.quote(__file__)} {name} "$@"\n'
        (folder / name).write_text(f"#!/bin/sh\n{call}")
        (folder / name).chmod(0o755)
    return folder


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun, "sacct": sacct}[sys.argv[1]](*sys.argv[2:])
