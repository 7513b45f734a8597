"""Helpers of the tests: trees, differences, retraining by brute force, sub-processes."""

import csv
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import forks
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from experiments import options as option_lib
from experiments import paper
from experiments import run as runner
from iclr22 import errors, loop, sparse


def assert_trees_close(a, b, **tolerance):
    """Leaves of two pytrees of arrays are close; typed keys are compared by their data."""
    a, b = map(_plain, (a, b))
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


def _plain(tree):
    def convert(x):
        if isinstance(x, jax.Array) and jax.dtypes.issubdtype(
            x.dtype, jax.dtypes.prng_key
        ):
            return np.asarray(jax.random.key_data(x))
        return np.asarray(x)

    return jax.tree.map(convert, tree)


def central_differences(function, x, step=1e-6):
    """Gradient of a scalar function of `[n]` by central differences."""
    gradient = np.zeros_like(x)
    for i in range(len(x)):
        shift = np.zeros_like(x)
        shift[i] = step
        gradient[i] = (function(x + shift) - function(x - shift)) / (2 * step)
    return gradient


def ridge(features, targets, weights, l2):
    """Weighted ridge coefficients by NumPy, an independent reference."""
    covariance = features.T @ (weights[:, None] * features)
    moment = features.T @ (weights[:, None] * targets)
    return np.linalg.solve(covariance + l2 * np.eye(features.shape[1]), moment)


def retrained_predictions(features, targets, weights, l2, groups=None):
    """Leave-one-out (or leave-group-out) predictions by retraining n times."""
    groups = np.arange(len(features)) if groups is None else groups
    predictions = np.zeros_like(targets)
    for group in np.unique(groups):
        out = groups == group
        w = ridge(features, targets, np.where(out, 0.0, weights), l2)
        predictions[out] = features[out] @ w
    return predictions


ROOT = pathlib.Path(__file__).parents[1]


def environment(root=ROOT) -> dict[str, str]:
    """Of a process of `start`."""
    return {
        **os.environ,
        "PYTHONPATH": str(root),
        "PYTHONUNBUFFERED": "1",
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def start(*arguments, root=ROOT, fresh=False, **options) -> subprocess.Popen:
    """A Python process with these arguments: this checkout, one CPU device, our cache.

    Args:
      fresh: a new interpreter; else a fork of one that has imported the libraries.
    """
    pipe = subprocess.PIPE
    options = {
        "stdout": pipe,
        "stderr": pipe,
        "text": True,
        "env": environment(root),
    } | options
    words = [*map(str, arguments)]
    forked = not fresh and forks.can(words, options)
    popen = forks.Forked if forked else subprocess.Popen
    return popen([sys.executable, *words], **options)


def finish(process, *, expect: int | None = 0, timeout: float = 120) -> tuple[str, str]:
    """Wait for a process of `start`; `(stdout, stderr)`. `expect=None`: any but 0."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    wrong = process.returncode == 0 if expect is None else process.returncode != expect
    assert not wrong, f"exit status {process.returncode}\n{out}\n{err}"
    return out, err


ANSWERS = """
import importlib, json, os, pathlib, runpy, sys
module, folder, cases = sys.argv[1], pathlib.Path(sys.argv[2]), json.loads(sys.argv[3])
importlib.import_module(f"{module}.experiment")
for number, words in enumerate(cases):
    child = os.fork()
    if child == 0:
        out = os.open(folder / str(number), os.O_CREAT | os.O_WRONLY)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv[1:] = words
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def answers(module, cases, *, expect: int = 1) -> dict[str, str]:
    """What commands print that end at once, by name, each in a process of its own.

    Args:
      module: of an experiment, which is imported once for all of them.
      cases: words that follow `python -m <module>`.
    """
    words = json.dumps([list(map(str, given)) for given in cases.values()])
    with tempfile.TemporaryDirectory() as folder:
        out, _ = finish(start("-c", ANSWERS, module, folder, words))
        texts = [(pathlib.Path(folder) / str(i)).read_text() for i in range(len(cases))]
    assert out.split() == len(cases) * [str(expect)], "\n".join(texts)
    return dict(zip(cases, texts, strict=True))


def kill_when(process, condition, *, timeout: float = 60) -> None:
    """SIGKILL as soon as `condition()` holds; the process must still be running."""
    end = time.monotonic() + timeout
    try:
        while not condition():
            assert process.poll() is None, finish(process, expect=-9)
            assert time.monotonic() < end, "no progress in time"
            time.sleep(0.01)
        assert process.poll() is None, "ended before it could be killed"
    finally:
        process.kill()
    finish(process, expect=-9)


def wait_for(condition, seconds=20.0):
    """Poll until `condition()` holds and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    return found


def check_outputs(folder, stdout, method):
    """Files of a finished run and the line that names them."""
    columns = "method,dataset,variant,setting,seed,metric,value,published"
    assert json.loads((folder / "config.json").read_text())["method"] == method
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and ",".join(rows[0]).startswith(columns)
    assert {row["method"] for row in rows} == {method}
    assert all(np.isfinite(float(row["value"])) for row in rows)
    known = paper.of(method) if method in paper.there() else None
    plain = getattr(known, "PLAIN_METRICS", False)  # named without a split
    assert all(plain or "/" in row["metric"] for row in rows)
    assert all(row["device"] and row["date"] for row in rows)
    images = list((folder / "figures").glob("*.png"))
    assert images and all(x.read_bytes().startswith(b"\x89PNG") for x in images)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == len(images) and "<h2>Results" in page
    (line,) = stdout.strip().splitlines()
    for text in (f"{len(rows)} numbers", f"{len(images)} figures"):
        assert text in line
    for name in ("results.csv", "figures", "report.html"):
        assert str(folder / name) in line


def numbers(*shape, seed=0):
    """Normal numbers, float32."""
    return np.random.default_rng(seed).normal(2, 3, shape).astype(np.float32)


def as_sparse(x):
    """A dense matrix as `iclr22.sparse.Sparse`."""
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(x, axis=1))])
    return sparse.from_rows(offsets, np.nonzero(x)[1], x[np.nonzero(x)], x.shape[1])


def started(stage, config, batch, seed=0):
    """Random parameters, so that nothing is zero that should not be."""
    init = functools.partial(stage.init, config)
    params = jax.eval_shape(init, jax.random.key(0), batch).params
    rng = np.random.default_rng(seed)

    def draw(x):
        return np.float32(rng.normal(0, 0.5, x.shape))

    drawn = jax.tree.map(draw, params) | {
        "stats": jax.tree.map(lambda x: 1 + draw(x) ** 2, params["stats"])
    }
    return jax.tree.map(jnp.asarray, drawn)


def launch(experiment, *arguments):
    """An experiment in this process, as its command line starts it."""
    with flagsaver.flagsaver():
        runner.define_flags(experiment)
        flags.FLAGS(["test", "--compile_cache=", *map(str, arguments)])
        try:
            runner.launch(experiment)
        finally:
            flags.FLAGS.unparse_flags()


def parsed(experiment, *arguments) -> runner.Run:
    """The run that a command line asks for; nothing is written or computed."""
    with flagsaver.flagsaver():
        runner.define_flags(experiment)
        flags.FLAGS(["test", *map(str, arguments)])
        try:
            return runner.from_flags(experiment)
        finally:
            flags.FLAGS.unparse_flags()


def what_trains(experiment, folder, monkeypatch, *arguments, steps=1):
    """`(config.json, configurations that reached loop.fit)` of a run in `folder`, cut to
    so many updates a training."""
    fit, found = loop.fit, []

    def short(method, config, batches, schedule, **options):
        found.append(config)
        schedule = schedule._replace(steps=min(steps, schedule.steps))
        return fit(method, config, batches, schedule, **options)

    monkeypatch.setattr(loop, "fit", short)
    launch(experiment, f"--workdir={folder}", *arguments)
    return json.loads((folder / "config.json").read_text()), found


def refused(experiment, monkeypatch, *arguments) -> str:
    """The error of a command that has to be refused before anything is trained."""

    def trains(*args, **options):
        raise AssertionError("trained")

    monkeypatch.setattr(loop, "fit", trains)
    with pytest.raises((errors.InputError, SystemExit)) as caught:
        launch(experiment, *arguments)
    return str(caught.value)


def assert_trains_as_recorded(about, found):
    """Every configuration that reached the loop is one that config.json has, and all that
    it has of stages that train got there."""
    assert found
    recorded = [(x["stage"], x["config"]) for x in about["trained"].values()]
    used = []
    for config in found:
        plain = json.loads(json.dumps(option_lib.plain(config)))
        described = type(config).__module__, plain
        assert described in recorded, f"{described} was trained, not recorded"
        used.append(described)
    assert all(x in used for x in recorded), "recorded, never trained"


def damaged(path, target, change):
    """A copy of a kept model in which `change` saw the description and the arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays.pop("json")))
    change(about, arrays)
    np.savez(target, json=np.asarray(json.dumps(about)), **arrays)
    return target


def say(*keys, value):
    """A change of the description at these keys."""

    def change(about, arrays):
        for key in keys[:-1]:
            about = about[key]
        about[keys[-1]] = value

    return change
