"""Stages side by side: what runs when, what a failure and an interrupt leave, and the lock file of a run in turn."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, environment, run

pytestmark = pytest.mark.slow
# `a` and `b` end only when both have begun
PIPELINE = """
stages:
  a: {cmd: "touch a.begun; until [ -e b.begun ]; do sleep 0.1; done; echo a >> ran; echo a > a", outs: [a]}
  b: {cmd: "touch b.begun; until [ -e a.begun ]; do sleep 0.1; done; echo b >> ran; echo b > b", outs: [b]}
  c: {cmd: "cat a b > c; echo c >> ran", deps: [a, b], outs: [c]}
  d: {cmd: "echo $$ > d.pid; until [ -e go ]; do sleep 0.1; done; echo d >> ran; cat a > d", deps: [a], outs: [d]}
"""
REPRO = (sys.executable, "-m", "stages.repro")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a repository with a pipeline of shell commands."""
    run("git", "init", "-q", cwd=tmp_path)
    run("dvc", "init", "-q", cwd=tmp_path)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "go").touch()
    return tmp_path


def repro(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(*REPRO, *words, cwd=folder, check=check, PYTHONPATH=str(ROOT))


def ran(folder: Path) -> list[str]:
    return (folder / "ran").read_text().split()


def test_independent_stages_run_at_once_and_leave_the_lock_of_a_run_in_turn(small: Path) -> None:
    repro(small, "--jobs", "2")
    assert sorted(ran(small)) == ["a", "b", "c", "d"]
    assert set(ran(small)[:2]) == {"a", "b"}
    lock = (small / "dvc.lock").read_bytes()
    assert "up to date" in repro(small).stdout
    assert "up to date" in run("dvc", "status", cwd=small).stdout
    assert len(ran(small)) == 4
    for name in ("dvc.lock", "a", "b", "c", "d"):
        (small / name).unlink()
    run("dvc", "repro", "--no-run-cache", cwd=small)
    assert (small / "dvc.lock").read_bytes() == lock


def test_a_failure_keeps_back_what_needs_it_and_nothing_else(small: Path) -> None:
    pipeline = small / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("echo b > b", "echo no room on the shelf; exit 3"))
    done = repro(small, "--jobs", "2", check=False)
    assert done.returncode == 1
    assert "b: failed after" in done.stdout
    assert "no room on the shelf" in done.stdout
    assert "failed: b; not run: c" in done.stdout
    assert "d" in ran(small)
    assert set(yaml.safe_load((small / "dvc.lock").read_text())["stages"]) == {"a", "d"}
    pipeline.write_text(PIPELINE)
    assert repro(small, "--jobs", "1").stdout.count("done after") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_what_runs_and_a_repeat_does_the_rest(number: signal.Signals, small: Path) -> None:
    (small / "go").unlink()
    heard = signal.SIG_IGN if number == signal.SIGTERM else signal.SIG_DFL  # ignored is Ctrl-C in a script's `… &`
    process = subprocess.Popen(
        [*REPRO, "--jobs", "2"],
        cwd=small,
        env=environment(PYTHONPATH=str(ROOT)),
        preexec_fn=lambda: signal.signal(signal.SIGINT, heard),
    )
    waited(small / "c")
    waited(small / "d.pid")
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int((small / "d.pid").read_text()), 0)
    (small / "go").touch()
    run("dvc", "status", cwd=small)
    (small / ".dvc" / "tmp" / "rwlock").write_text('{"wri')  # what an interrupt leaves of it where it meets DVC writing
    repro(small)
    assert sorted(ran(small)) in (["a", "b", "c", "d"], ["a", "b", "c", "c", "d"])  # `c` may have been interrupted too
    assert "up to date" in run("dvc", "status", cwd=small).stdout


def waited(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, file
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--jobs", "0"], "--jobs: 0 is out of range; at least 1 stage runs at a time"),
        (["e"], "Stage 'e' not found inside 'dvc.yaml' file"),
    ],
)
def test_what_cannot_run_is_refused(words: list[str], expected: str, small: Path) -> None:
    done = repro(small, *words, check=False)
    assert done.returncode == 2
    assert expected in done.stderr
