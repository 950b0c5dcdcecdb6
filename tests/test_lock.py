import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from _pytest.capture import CaptureFixture

from stages.lock import alone
from tests.conftest import ROOT

HOLD = "import sys,time; from pathlib import Path; from stages.lock import alone\nwith alone(Path(sys.argv[1]), 'x'):"


def holder(target: Path, then: str) -> subprocess.Popen[str]:
    """Start a process that holds a lock, says so, and then does something."""
    code = f"{HOLD}\n    print('held', flush=True)\n    {then}"
    process = subprocess.Popen([sys.executable, "-c", code, str(target)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_who_comes_second_says_that_it_waits_and_nothing_is_left(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    with holder(tmp_path / "set", "time.sleep(60)") as first:
        threading.Timer(0.5, os.kill, (first.pid, signal.SIGKILL)).start()
        with alone(tmp_path / "set", "fetching the set"):
            assert [file.name for file in tmp_path.iterdir()] == [".set.lock"]
    assert "another process is fetching the set; waiting" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    with holder(tmp_path / "set", "import os; os.kill(os.getpid(), 9)"):
        pass
    assert (tmp_path / ".set.lock").exists()
    with alone(tmp_path / "set", "fetching the set"):
        pass
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_many_take_turns(tmp_path: Path) -> None:
    inside, most = 0, 0

    def take() -> None:
        nonlocal inside, most
        for _ in range(20):
            with alone(tmp_path / "set", "counting"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
