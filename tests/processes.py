"""Start `launch/local_processes.py` as a program, with a command for every process."""

import pathlib
import subprocess
import sys

import helpers
import pytest

ROOT = pathlib.Path(__file__).parents[1]
LAUNCHER = ROOT / "launch" / "local_processes.py"


def start(logs, *command, processes=2, devices=1):
    """The launcher with a command; `-c` and scripts go to this Python."""
    program = [sys.executable] if command[0] in ("-c", "-m") else []
    program = [sys.executable] if str(command[0]).endswith(".py") else program
    sizes = [f"--processes={processes}", f"--devices={devices}", f"--logs={logs}"]
    return helpers.start(LAUNCHER, *sizes, "--", *program, *map(str, command))


def finish(launcher, *, expect=0, timeout=20.0):
    """`(stdout, stderr)`; never leaves a process behind, not even after a timeout."""
    try:
        out, err = launcher.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        launcher.terminate()
        out, err = launcher.communicate()
        pytest.fail(f"still running after {timeout} s\n{out[-3000:]}\n{err[-3000:]}")
    end = f"{launcher.returncode}\n{out[-5000:]}\n{err[-5000:]}"
    assert launcher.returncode == expect, end
    return out, err


def run(logs, *command, expect=0, timeout=20.0, **sizes):
    """`start`, then `finish`."""
    return finish(start(logs, *command, **sizes), expect=expect, timeout=timeout)
