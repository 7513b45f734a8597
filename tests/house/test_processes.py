"""Several processes: the launcher, on tiny commands; and what one of them does alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import helpers
import numpy as np
import pytest
from processes import LAUNCHER, finish, run, start

from iclr22 import checkpoint, parallel


def is_running(pid):
    """False for a zombie too: it is gone, only its parent has not looked."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()[:1] not in ("", "Z")


# The launcher, on commands that know nothing of JAX.

SHOW = """
import json, os
names = ("COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID", "JAX_PLATFORMS",
         "JAX_NUM_CPU_DEVICES", "HOME")
print(json.dumps({name: os.environ.get(name) for name in names}))
"""


def test_each_process_knows_which_one_it_is(tmp_path):
    out, _ = run(tmp_path, "-c", SHOW, processes=3, devices=4)
    logs = [(tmp_path / f"process-{i}.log").read_text() for i in range(3)]
    assert out == logs[0]
    found = [json.loads(log) for log in logs]
    assert [x.pop("PROCESS_ID") for x in found] == ["0", "1", "2"]
    assert found[0] == found[1] == found[2]
    host, port = found[0].pop("COORDINATOR_ADDRESS").split(":")
    assert host == "127.0.0.1"
    with socket.socket() as probe:
        probe.bind((host, int(port)))
    assert found[0] == {
        "NUM_PROCESSES": "3",
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "4",
        "HOME": os.environ.get("HOME"),
    }


TALK = """
import os, pathlib, sys, time
who = os.environ["PROCESS_ID"]
print("first of", who)
if who == "0":
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
print("second of", who, file=sys.stderr)
print("x" * 300_000 if who == "1" else "third of 0")
"""


def test_process_0_is_shown_as_it_speaks_and_all_are_logged(tmp_path):
    launcher = start(tmp_path, "-c", TALK, tmp_path / "go")
    assert launcher.stdout.readline() == "first of 0\n"
    (tmp_path / "go").touch()
    out, err = finish(launcher)
    assert out == "second of 0\nthird of 0\n" and err == ""
    logs = [(tmp_path / f"process-{i}.log").read_text() for i in range(2)]
    assert logs[0] == "first of 0\n" + out
    assert logs[1] == "first of 1\nsecond of 1\n" + "x" * 300_000 + "\n"


def test_reader_that_leaves_does_not_stop_the_processes(tmp_path):
    launcher = start(tmp_path, "-c", TALK, tmp_path / "go")
    launcher.stdout.readline()
    launcher.stdout.close()
    (tmp_path / "go").touch()
    launcher.wait(timeout=10)
    assert "third of 0" in (tmp_path / "process-0.log").read_text()


# Every process has a child of its own; number 1 fails as soon as all are there.
LINGER = """
import os, pathlib, signal, subprocess, sys, time
folder, how = pathlib.Path(sys.argv[1]), sys.argv[2]
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
who = os.environ["PROCESS_ID"]
child = subprocess.Popen(["sleep", "100"])
note = folder / f".{who}"
note.write_text(f"{os.getpid()} {child.pid}")
note.rename(folder / f"pids-{who}")
while len(list(folder.glob("pids-*"))) < int(os.environ["NUM_PROCESSES"]):
    time.sleep(0.01)
if who == "1" and how != "wait":
    print("line 1 of the reason\\nline 2")
    os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else sys.exit(7)
time.sleep(100)
"""


def pids(folder, count):
    """Of all processes and of their children, once they run."""
    names = [folder / f"pids-{i}" for i in range(count)]
    helpers.wait_for(lambda: all(name.exists() for name in names))
    return [int(pid) for name in names for pid in name.read_text().split()]


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [("exit", 7, "status 7"), ("killed", 137, "SIGKILL"), ("deaf", 7, "status 7")],
)
def test_failure_ends_all_with_its_status(tmp_path, how, status, words):
    began = time.monotonic()
    _, err = run(
        tmp_path, "-c", LINGER, tmp_path, how, processes=3, expect=status, timeout=10
    )
    assert time.monotonic() - began < 5
    helpers.wait_for(lambda: not any(map(is_running, pids(tmp_path, 3))), 2)
    first, *rest = err.splitlines()
    assert f"process 1 ended with {words}" in first
    assert str(tmp_path / "process-1.log") in first
    assert rest == ["  line 1 of the reason", "  line 2"]


BLAME = """
import os, pathlib, sys, time
note = pathlib.Path(sys.argv[1])
if os.environ["PROCESS_ID"] == "1":
    print("the reason", flush=True)
    note.touch()
    time.sleep(0.2)
    sys.exit(7)
while not note.exists():
    time.sleep(0.01)
time.sleep(0.05)  # a partner's end is never noticed within a tick of the file clock
print("lost my partner")
sys.exit(1)
"""


def test_cause_is_named_even_if_its_victim_ends_first(tmp_path):
    _, err = run(tmp_path, "-c", BLAME, tmp_path / "note", expect=7)
    assert "process 1 ended with status 7" in err and "the reason" in err


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_launcher_ends_all(tmp_path, wanted):
    launcher = start(tmp_path, "-c", LINGER, tmp_path, "wait")
    running = pids(tmp_path, 2)
    launcher.send_signal(wanted)
    _, err = finish(launcher, expect=128 + wanted, timeout=10)
    helpers.wait_for(lambda: not any(map(is_running, running)), 2)
    assert "Traceback" not in err


def test_process_that_is_done_early_does_not_end_the_others(tmp_path):
    code = (
        "import os, time; time.sleep(0.5 * (os.environ['PROCESS_ID'] == '0')); print(1)"
    )
    out, _ = run(tmp_path, "-c", code)
    assert out == "1\n"


def test_command_that_is_missing_or_unknown_is_explained(tmp_path):
    _, err = run(tmp_path, "no-such-program", expect=1)
    assert "cannot start no-such-program" in err and "Traceback" not in err
    launcher = helpers.start(LAUNCHER, f"--logs={tmp_path}")
    out, err = finish(launcher, expect=1)
    assert "no command; put it after --" in out + err


# What the package does about processes, in one of them.


def test_single_process_needs_no_agreement():
    assert parallel.is_main() and parallel.part() == (0, 1)
    assert parallel.agree(7) == 7
    parallel.barrier("nobody else")
    rows = np.arange(3.0)
    assert parallel.rows_of_all(rows) is rows
    with pytest.raises(SystemExit, match="bad"), parallel.joined(several=False):
        sys.exit("bad")


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "is_main", lambda: False)
    with checkpoint.atomic(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("from another process")
    checkpoint.write_npz(tmp_path / "a.npz", x=np.ones(2))
    found = checkpoint.cell(tmp_path, "cell", lambda: {"x": np.ones(2)})
    assert list(found) == ["x"]
    assert list(tmp_path.iterdir()) == [] and not temporary.exists()
