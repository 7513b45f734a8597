"""Several processes: the launcher, and the same numbers as one process, also after a kill.

The launcher is run as a program on tiny commands. What is marked slow starts real JAX
processes with it; a script that they run is written to a temporary folder.
"""

import json
import os
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import time

import helpers
import jax
import numpy as np
import pytest

from iclr22 import checkpoint, parallel, record

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


def wait_for(condition, seconds=20.0):
    """Poll until `condition()` holds and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    return found


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
    wait_for(lambda: all(name.exists() for name in names))
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
    wait_for(lambda: not any(map(is_running, pids(tmp_path, 3))), 2)
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
    wait_for(lambda: not any(map(is_running, running)), 2)
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


# Two real processes.

TRAIN = '''
"""Train stages: `train.py FOLDER MODE STAGES [PROCESS THAT WILL BE KILLED]`."""

import os, pathlib, signal, sys

import jax
import numpy as np
from absl import logging

import iclr22
from iclr22 import checkpoint, loop, parallel
from iclr22.data import batching

STEPS = 12


def source(batches, victim):
    """Five epochs of three batches, the last half empty; then the process dies."""
    def read(step):
        if step >= 10 and victim == jax.process_index():
            os.kill(os.getpid(), signal.SIGKILL)
        return batches(step)
    return read


def train(stage, mode, folder, victim=None):
    """Losses by step, score, and parameters in every process."""
    config, batch = stage.example(size=40)
    rng = np.random.default_rng(0)
    weight = batch.get("weight", np.ones(40)) * (rng.random(40) > 0.3)
    arrays = dict(batch) | {"weight": weight.astype(np.float32)}
    devices = jax.device_count()
    batches = batching.make(arrays, 16, seed=1, devices=devices)
    plan = loop.Schedule(steps=STEPS, log_every=2, save_every=4, scan=2)
    if victim is not None:  # dies where it reads, not before what is ahead was saved
        plan = plan._replace(prefetch=0)
    valid = lambda: batching.in_order(arrays, 16, devices=devices)
    state = loop.fit(stage, config, source(batches, victim), plan, seed=3, mode=mode,
                     directory=folder, valid=valid)
    params = jax.tree.leaves(jax.device_get(state.params))
    found = {f"param{i}": parallel.rows_of_all(x[None]) for i, x in enumerate(params)}
    score = loop.score(stage, config, state.params, valid(), mode=mode)
    return found | {f"score_{k}": np.asarray(v) for k, v in score.items()}


def main(folder, mode, names, victim=None):
    stages = {k: v for m in iclr22.available() for k, v in iclr22.stages(m).items()}
    for name in names.split(","):
        where = pathlib.Path(folder) / name
        result = train(stages[name], mode, where, victim and int(victim))
        checkpoint.write_npz(where / "result.npz", **result)


if __name__ == "__main__":
    logging.set_verbosity(logging.INFO)
    with parallel.joined():
        main(*sys.argv[1:])
'''


def trained_stages():
    """Names of all stages with a training loop."""
    import iclr22
    from iclr22 import types

    stages = {k: v for m in iclr22.available() for k, v in iclr22.stages(m).items()}
    return [name for name, x in stages.items() if "train_step" in types.parts(x)]


def result(folder, name):
    """Metrics by step and final arrays that the script left for a stage."""
    lines = record.read_metrics(folder / name / "metrics.jsonl")
    with np.load(folder / name / "result.npz") as data:
        return lines, dict(data)


@pytest.fixture(scope="module", params=parallel.MODES)
def pair(request, tmp_path_factory):
    """`(mode, script, folder)` of all stages trained by two processes of four devices."""
    folder = tmp_path_factory.mktemp(request.param)
    script = folder / "train.py"
    script.write_text(TRAIN)
    names = ",".join(trained_stages())
    arguments = (script, folder / "two", request.param, names)
    run(
        folder / "logs", *arguments, devices=4, timeout=100 + 50 * len(names.split(","))
    )
    return request.param, script, folder


@pytest.mark.slow
def test_two_processes_equal_one(pair):
    mode, script, folder = pair
    assert jax.device_count() == 8
    runpy.run_path(str(script))["main"](
        folder / "one", mode, ",".join(trained_stages())
    )
    for name in trained_stages():
        (lines, one), (two_lines, two) = (
            result(folder / which, name) for which in ("one", "two")
        )
        assert len(lines) == 7 and list(one) == list(two)
        for a, b in zip(lines, two_lines, strict=True):
            assert list(a) == list(b)
            np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=2e-5)
        for key, x in two.items():
            if key.startswith("param"):  # [processes, ...]
                np.testing.assert_array_equal(x[0], x[1], err_msg=f"{name} {key}")
            np.testing.assert_allclose(
                x[0] if x.ndim else x, one[key][0] if x.ndim else one[key],
                rtol=2e-4, atol=2e-5, err_msg=f"{name} {key}",
            )  # fmt: skip


@pytest.mark.slow
def test_run_whose_process_was_killed_continues(pair):
    mode, script, folder = pair
    name = trained_stages()[0]
    victim = parallel.MODES.index(mode)  # one time the main process, one time the other
    arguments = (script, folder / "cut", mode, name)
    logs, sizes = folder / "logs", {"devices": 4, "timeout": 100}
    _, err = run(logs, *arguments, victim, expect=137, **sizes)
    assert f"process {victim} ended with SIGKILL" in err
    assert not (folder / "cut" / name / "result.npz").exists()
    run(logs, *arguments, **sizes)
    for i in range(2):
        assert "resumed at step" in (logs / f"process-{i}.log").read_text()
    (lines, whole), (cut_lines, cut) = (
        result(folder / which, name) for which in ("two", "cut")
    )
    assert lines == cut_lines
    for key, x in whole.items():
        np.testing.assert_array_equal(x, cut[key], err_msg=key)


FILES = '''
"""What processes do with files and layouts of arrays: `files.py FOLDER`."""

import pathlib, sys, time

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import checkpoint, diva, parallel

folder = pathlib.Path(sys.argv[1])


def never():
    raise AssertionError("computed again")


def slowly():
    time.sleep(1.0 * parallel.is_main())  # the others must wait for the file
    return {"x": np.arange(3.0), "text": "ä"}


def table(low, high):
    assert high - low <= 8
    draws = [np.random.default_rng(i).normal(size=3) for i in range(low, high)]
    return np.stack(draws)


def main():
    index, count = parallel.part()
    assert (count, parallel.is_main()) == (2, index == 0)
    assert parallel.agree(5 + index) == 5
    own = np.full((1, 2), index + 1 / 3)
    np.testing.assert_array_equal(parallel.rows_of_all(own), [[1 / 3] * 2, [4 / 3] * 2])
    checkpoint.cell(folder, "cell", slowly)
    assert (folder / "cell.npz").exists()
    assert checkpoint.cell(folder, "cell", never)["text"] == "ä"
    with checkpoint.atomic(folder / "who.txt") as temporary:
        temporary.write_text(str(index))
    store = checkpoint.ChunkStore(folder, "table")
    found = store.fill((50, 3), np.float64, table, chunk=8)
    np.testing.assert_array_equal(found, table_of(50))
    kernel()


def table_of(n):
    return np.concatenate([table(i, min(i + 8, n)) for i in range(0, n, 8)])


def kernel():
    x = np.random.default_rng(0).normal(size=(21, 5)).astype(np.float32)
    place = parallel.shard_rows(parallel.devices())
    rows = diva.gram_rows(lambda a, b: a @ b.T, x, chunk=4, place=place)
    store = checkpoint.ChunkStore(folder, "gram")
    gram = store.fill((21, 21), np.float32, rows, chunk=4)
    np.testing.assert_allclose(gram, x @ x.T, rtol=1e-5, atol=1e-6)


def layouts():
    """Divided edges, replicated nodes; gathered rows; in scans of two steps."""
    rng = np.random.default_rng(0)
    edges, nodes = rng.integers(0, 5, (2, 12)), rng.normal(size=(5, 3))
    nodes = np.stack([nodes, nodes + 1]).astype(np.float32)

    def step(state, batch, *, axis_name=None):
        messages = batch["nodes"][batch["edges"]]
        total = parallel.reduce(messages.sum(0), axis_name)
        rows = parallel.gather(batch["edges"], axis_name)
        return state + total, {"loss": total.sum(), "rows": rows}

    part = slice(6 * parallel.part()[0], 6 * parallel.part()[0] + 6)
    for mode in parallel.MODES:
        on = parallel.devices(mode, {"edges": 0, "nodes": None})
        state = parallel.place(on, lambda: jnp.zeros(3))
        batch = {"edges": edges[:, part], "nodes": nodes}
        batch = parallel.shard(on, batch, stacked=True)
        state, metrics = parallel.compile_step(on, step, steps=2)(state, batch)
        state, metrics = jax.device_get((state, metrics))
        expected = [n[e].sum(0) for n, e in zip(nodes, edges, strict=True)]
        np.testing.assert_allclose(state, np.sum(expected, 0), rtol=1e-5)
        np.testing.assert_array_equal(np.reshape(metrics["rows"], (2, -1)), edges)


with parallel.joined():
    main()
    layouts()
'''


@pytest.mark.slow
def test_processes_share_files_and_the_work_on_chunks(tmp_path):
    script = tmp_path / "files.py"
    script.write_text(FILES)
    shared = tmp_path / "shared"
    draws = np.stack([np.random.default_rng(i).normal(size=3) for i in range(50)])
    alone = checkpoint.ChunkStore(shared, "table")

    def until_24(low, high):  # a single process begins, and is ended
        if low == 24:
            raise KeyboardInterrupt
        return draws[low:high]

    with pytest.raises(KeyboardInterrupt):
        alone.fill((50, 3), np.float64, until_24, chunk=8)
    run(tmp_path / "logs", script, shared, devices=2, timeout=100)
    assert (shared / "who.txt").read_text() == "0"
    whole = alone.fill((50, 3), np.float64, until_24, chunk=8)
    np.testing.assert_array_equal(whole, draws)
    stored = {f"{x}.{y}" for x in ("table", "gram") for y in ("json", "npy")}
    assert {path.name for path in shared.iterdir()} == stored | {"cell.npz", "who.txt"}


FAIL = """
import sys, time
from iclr22 import errors, parallel
with parallel.joined():
    parallel.barrier("start")
    if parallel.part()[0] == int(sys.argv[1]):
        if sys.argv[2] == "exit":
            sys.exit("error: a plain message")
        raise errors.InputError("a plain message")
    parallel.barrier("the other never comes")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("process", "how"), [(0, "raise"), (1, "exit")])
def test_failure_does_not_wait_for_those_that_wait_for_it(tmp_path, process, how):
    script = tmp_path / "fail.py"
    script.write_text(FAIL)
    _, err = run(tmp_path, script, process, how, expect=1, timeout=40)
    assert f"process {process} ended with status 1" in err
    assert "a plain message" in err


@pytest.mark.slow
def test_experiment_equals_one_process_also_after_an_interruption(tmp_path):
    cache = jax.config.jax_compilation_cache_dir
    experiment = (
        *("-m", "experiments.diva", "--quick", "--model=cnn", "--linearize=full"),
        *("--train_size=60", "--test_size=40", "--random_features=64", "--steps=20"),
        f"--compile_cache={cache}",
    )
    one = helpers.start(*experiment, f"--workdir={tmp_path / 'one'}")
    helpers.finish(one, timeout=200)
    two, logs = tmp_path / "two", tmp_path / "logs"
    command = (*experiment, "--distributed", f"--workdir={two}")
    launcher = start(logs, *command)
    try:
        wait_for(lambda: list(two.glob("cells/*.npz")), 150)
    finally:
        launcher.terminate()
    finish(launcher, expect=128 + signal.SIGTERM)
    assert not (two / "results.csv").exists()
    kept = {x.name: x.stat().st_mtime_ns for x in two.glob("cells/*.npz")}
    out, _ = run(logs, *command, timeout=250)
    assert out.count("numbers in") == 1
    for name, when in kept.items():
        assert (two / "cells" / name).stat().st_mtime_ns == when
    found, expected = (
        record.read_results(tmp_path / x / "results.csv") for x in ("two", "one")
    )
    assert [row[:6] for row in found] == [row[:6] for row in expected]
    values = [[row.value for row in rows] for rows in (found, expected)]
    # Sums in another order may tip a tie: then one of these rates jumps by 1/40 or so.
    assert np.mean(np.isclose(*values, rtol=1e-3, atol=1e-6)) > 0.95
    assert outputs(tmp_path / "one") == outputs(two)


def outputs(folder):
    """Relative paths of all files but those with a time or a process in their names."""
    paths = (x.relative_to(folder) for x in folder.rglob("*") if x.is_file())
    return {str(path) for path in paths if "training" not in path.parts}
