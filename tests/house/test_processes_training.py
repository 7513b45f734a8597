"""Several real processes give the numbers of one, also after a kill; all of it is slow.

Scripts that the processes run are written to a temporary folder.
"""

import pathlib
import runpy
import signal

import helpers
import jax
import numpy as np
import pytest
from processes import finish, run, start

import iclr22
from iclr22 import checkpoint, parallel, record

pytestmark = pytest.mark.eight_devices

TRAIN = '''
"""Train stages: `train.py FOLDER MODE STAGES [PROCESS THAT WILL BE KILLED]`."""

import os, pathlib, signal, sys

import jax
import numpy as np
from absl import logging

import iclr22
from iclr22 import checkpoint, loop, parallel, types
from iclr22.data import batching

STEPS = 12


def die_late(victim):
    """The process kills itself where the loop looks at step 10, for any kind of batch."""
    looks = loop._crossed

    def look(step, count, every):
        if step >= 10 and victim == jax.process_index():
            os.kill(os.getpid(), signal.SIGKILL)
        return looks(step, count, every)

    loop._crossed = look


def sources(stage):
    """`(config, batches, valid)`: batches of 16 of 40 examples, some with weight 0; or all
    40 in one where a stage cannot divide them."""
    config, batch = stage.example(size=40)
    keep = np.random.default_rng(0).random(40) > 0.3
    weight = batch.get("weight", np.ones(40)) * keep
    arrays = dict(batch) | {"weight": weight.astype(np.float32)}
    if not types.has_rows(stage):
        whole = batching.Whole(arrays, types.batch_axes(stage))
        return config, whole, whole
    devices = jax.device_count()
    valid = lambda: batching.in_order(arrays, 16, devices=devices)
    return config, batching.make(arrays, 16, seed=1, devices=devices), valid


def train(stage, mode, folder, victim=None):
    """Losses by step, score, and parameters in every process."""
    config, batches, valid = sources(stage)
    plan = loop.Schedule(steps=STEPS, log_every=2, save_every=4, scan=2)
    if victim is not None:  # what is ahead must not hide where it dies
        die_late(victim)
        plan = plan._replace(prefetch=0)
    state = loop.fit(stage, config, batches, plan, seed=3, mode=mode,
                     directory=folder, valid=valid)
    params = jax.tree.leaves(jax.device_get(state.params))
    found = {f"param{i}": parallel.rows_of_all(x[None]) for i, x in enumerate(params)}
    given = valid if isinstance(valid, batching.Whole) else valid()
    score = loop.score(stage, config, state.params, given, mode=mode)
    return found | {f"score_{k}": np.asarray(v) for k, v in score.items()}


def main(folder, mode, names, victim=None):
    stages = iclr22.trained()
    for name in names.split(","):
        where = pathlib.Path(folder) / name
        result = train(stages[name], mode, where, victim and int(victim))
        checkpoint.write_npz(where / "result.npz", **result)


if __name__ == "__main__":
    logging.set_verbosity(logging.INFO)
    with parallel.joined():
        main(*sys.argv[1:])
'''


def result(folder, name):
    """Metrics by step and final arrays that the script left for a stage."""
    lines = record.read_metrics(folder / name / "metrics.jsonl")
    with np.load(folder / name / "result.npz") as data:
        return lines, dict(data)


@pytest.fixture(scope="module", params=[("jit", 2), ("pmap", 2), ("jit", 4)], ids=str)
def several(request, tmp_path_factory):
    """`(mode, script, folder)` of all stages trained by processes with 8 devices."""
    mode, count = request.param
    folder = tmp_path_factory.mktemp(f"{mode}{count}")
    script = folder / "train.py"
    script.write_text(TRAIN)
    names = list(iclr22.trained())
    arguments = (script, folder / "several", mode, ",".join(names))
    sizes = {"processes": count, "devices": 8 // count}
    run(folder / "logs", *arguments, timeout=100 + 60 * len(names), **sizes)
    return mode, script, folder


@pytest.mark.slow
def test_processes_equal_one(several):
    mode, script, folder = several
    assert jax.device_count() == 8
    names = list(iclr22.trained())
    runpy.run_path(str(script))["main"](folder / "one", mode, ",".join(names))
    for name in names:
        (lines, one), (many_lines, many) = (
            result(folder / which, name) for which in ("one", "several")
        )
        assert len(lines) == 7 and list(one) == list(many)
        for a, b in zip(lines, many_lines, strict=True):
            assert list(a) == list(b)
            np.testing.assert_allclose(
                list(a.values()), list(b.values()), rtol=2e-5, atol=1e-6, err_msg=name
            )
        # A bias without effect has rounding as its gradient, which Adam makes steps of.
        bound = 2e-4 if name == "trajectory_shapley.pecnet" else 2e-5
        for key, x in many.items():
            if key.startswith("param"):  # [processes, ...]
                for other in x[1:]:
                    np.testing.assert_array_equal(x[0], other, err_msg=f"{name} {key}")
            np.testing.assert_allclose(
                x[0] if x.ndim else x, one[key][0] if x.ndim else one[key],
                rtol=2e-4, atol=bound, err_msg=f"{name} {key}",
            )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", iclr22.trained())
def test_run_whose_process_was_killed_continues(name, tmp_path):
    script, logs = tmp_path / "train.py", tmp_path / "logs"
    script.write_text(TRAIN)
    index = list(iclr22.trained()).index(name)
    victim, mode = index % 2, parallel.MODES[index // 2 % 2]  # the main one, the other
    sizes = {"devices": 2, "timeout": 150}
    run(logs, script, tmp_path / "whole", mode, name, **sizes)
    arguments = (script, tmp_path / "cut", mode, name)
    _, err = run(logs, *arguments, victim, expect=137, **sizes)
    assert f"process {victim} ended with SIGKILL" in err
    assert not (tmp_path / "cut" / name / "result.npz").exists()
    run(logs, *arguments, **sizes)
    for i in range(2):
        assert "resumed at step" in (logs / f"process-{i}.log").read_text()
    (lines, whole), (cut_lines, cut) = (
        result(tmp_path / which, name) for which in ("whole", "cut")
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


BEGIN = '''
"""Train on from given parameters: `begin.py FOLDER MODE TESTS`."""

import functools, sys

import jax
import numpy as np

from iclr22 import checkpoint, parallel, plateau


def main(folder, mode, tests):
    sys.path.insert(0, tests)
    import toy_method as toy  # counts devices

    batches = toy.batching.make(toy.data(), 16, seed=1, devices=jax.device_count())
    given = {"weights": np.array([[1.0, -1.0, 2.0]]), "bias": np.array(0.5)}
    config = toy.Config(keep_best=True)
    options = {"evaluate_every": 2, "log_every": 2, "mode": mode, "config": config}
    options["valid"] = lambda: toy.batching.in_order(
        toy.data(), 16, devices=jax.device_count()
    )
    options["review"] = functools.partial(plateau.review, patience=-1)
    options["measure"] = lambda params: {"host/bias": np.asarray(params["bias"])}
    states = [toy.fit(f"{folder}/a", batches, 5, begin=given, **options)]
    again = {"begin": states[0].params, **options}  # of the devices, and to be kept
    states.append(toy.fit(f"{folder}/b", batches, 5, **again))
    states.append(toy.fit(f"{folder}/a", batches, 5, begin=0, **options))
    found = {}
    for i, state in enumerate(states):
        for name, x in {**state.params, "loss": state.best.loss}.items():
            rows = np.asarray(jax.device_get(x))[None]
            found[f"{name}{i}"] = parallel.rows_of_all(rows)
    checkpoint.write_npz(f"{folder}/result.npz", **found)


if __name__ == "__main__":
    with parallel.joined():
        main(*sys.argv[1:])
'''


@pytest.mark.slow
@pytest.mark.parametrize("mode", parallel.MODES)
def test_processes_begin_like_one(mode, tmp_path):
    script, tests = tmp_path / "begin.py", pathlib.Path(__file__).parents[1]
    script.write_text(BEGIN)
    several = (script, tmp_path / "several", mode, tests)
    run(tmp_path / "logs", *several, devices=4, timeout=100)
    runpy.run_path(str(script))["main"](tmp_path / "one", mode, str(tests))
    for folder in ("a", "b"):
        many, one = (
            record.read_metrics(tmp_path / x / folder / "metrics.jsonl")
            for x in ("several", "one")
        )
        assert [list(x) for x in many] == [list(x) for x in one] and len(one) > 3
        for a, b in zip(many, one, strict=True):
            assert a == pytest.approx(b, rel=2e-5)
    with (
        np.load(tmp_path / "several" / "result.npz") as many,
        np.load(tmp_path / "one" / "result.npz") as one,
    ):
        for name in one.files:
            np.testing.assert_array_equal(many[name][0], many[name][1])
            np.testing.assert_allclose(many[name][0], one[name][0], rtol=2e-5)
            which, last = name[:-1], name[-1]
            if last == "2":  # finished before: nothing was computed, nor begun
                np.testing.assert_array_equal(many[name], many[f"{which}0"])


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
@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("method", iclr22.available())
def test_quick_run_of_processes_equals_one(method, processes, tmp_path):
    cache = jax.config.jax_compilation_cache_dir
    words = ("-m", f"experiments.{method}", "--quick", f"--compile_cache={cache}")
    one = helpers.start(*words, f"--workdir={tmp_path / 'one'}")
    helpers.finish(one, timeout=300)
    command = (*words, "--distributed", f"--workdir={tmp_path / 'several'}")
    run(tmp_path / "logs", *command, processes=processes, timeout=580)
    found, expected = (
        record.read_results(tmp_path / x / "results.csv") for x in ("several", "one")
    )
    assert [row[:6] for row in found] == [row[:6] for row in expected]
    values = [[row.value for row in rows] for rows in (found, expected)]
    # Sums in another order may tip a tie: then a rate jumps by one example.
    assert np.mean(np.isclose(*values, rtol=1e-2, atol=1e-4)) > 0.95


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
        helpers.wait_for(lambda: list(two.glob("cells/*.npz")), 150)
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
