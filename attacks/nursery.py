"""A process that has imported the frameworks and starts commands by forking: a kill falls into a command's own work.

`python attacks/nursery.py MODULE …` imports the modules, then reads a command as a line of JSON ({"words":
["stages.fetch", …], "project": folder, "log": path}), answers with its process id, and, when it has ended, its status.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import sys
import threading
import traceback
from typing import Any


def main(modules: list[str]) -> None:
    """Import, then serve commands, one at a time."""
    sys.path.pop(0)  # what lies beside this file is not to be imported
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    tell("ready")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            perform(json.loads(line))
        tell(child)
        tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def tell(answer: object) -> None:
    """Write a line to whoever started this process."""
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


def perform(command: dict[str, Any]) -> None:
    """Become the command, as `python -m` would run it, in a session of its own."""
    os.setsid()
    with open(command["log"], "a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(command["project"])
    sys.path.insert(0, command["project"])
    sys.argv = command["words"]
    os._exit(status(command["words"][0]))


def status(module: str) -> int:
    """Run a module and return its exit status."""
    found = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        found = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        found = 1
    finish = getattr(threading, "_shutdown")  # noqa: B009  # as the interpreter does at its end
    finish()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
