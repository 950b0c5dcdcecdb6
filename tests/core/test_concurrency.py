import os
import signal
import subprocess
import sys

import psutil

from tests.conftest import ROOT

POOL = """
import time
from stages.core.concurrency import create_process_pool

if __name__ == "__main__":
    with create_process_pool(2) as pool:
        pool.submit(int).result()
        print("ready", flush=True)
        time.sleep(60)
"""


def test_the_processes_of_a_pool_end_when_the_first_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", POOL], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        first.stdout.readline()
        members = psutil.Process(first.pid).children(recursive=True)
        assert members
        os.kill(first.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(members, timeout=10)
    for process in alive:
        process.kill()
    assert not alive
