"""Weighted sums over neighbours, sparse `[n, n]` times dense `[n, k]`, in several ways.

  python -m experiments.benchmarks.message_passing           # 1x, 4x, 16x, ten minutes
  python -m experiments.benchmarks.message_passing --small   # as large as Cora, seconds

Times are medians, forward and forward with backward (the gradient of the dense operand);
graphs have power-law degrees. Every measurement is a process of its own, so that peak
memory is its own: what comes on top of the list of edges and one dense operand. All must
agree with SciPy, or the program ends with an error.
"""

import csv
import io
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
from absl import app, flags

from experiments import origin
from experiments.benchmarks import numbers
from experiments.benchmarks.products import FORMULATIONS, Problem, problem
from iclr22 import checkpoint, errors, sparse

SMALL = (2708, 13264, 64)  # nodes, edges, features of Cora, features after a projection
TOLERANCE = 1e-3  # relative difference to SciPy, per row
COMPARED = 50_000  # rows that are compared: all of them at 1x
LEAST_SECONDS = 0.5  # of calls that a median is taken over, if they are short
FLAGS = flags.FLAGS

_SMALL = ("--small", "--csv=runs/benchmarks/message_passing_small.csv")
CALLS = ((), _SMALL)
QUICK = (*_SMALL, "--runs=1")


def measure(name: str, p: Problem, *, steps: int, runs: int):
    """`(milliseconds forward, and with backward, results of both [2, rows, k])`.

    Args:
      steps: products in one call, each of the last one's result; times are per product.
    """
    calls = _scipy_calls(p, steps) if name == "scipy" else _jax_calls(name, p, steps)
    found = [timed(call, runs) for call in calls]
    every = -(-len(p.x) // COMPARED)
    results = np.stack([np.asarray(result)[::every] for _, result in found])
    return *(1e3 * seconds / steps for seconds, _ in found), results


def _scipy_calls(p, steps):
    import scipy.sparse

    offsets = sparse.plan(p.rows, p.columns, (len(p.x), len(p.x))).offsets
    matrix = scipy.sparse.csr_matrix((p.values, p.columns, offsets), 2 * (len(p.x),))

    def repeat(step):
        x = p.x
        for _ in range(steps):
            x = step(x)
        return x

    return (
        lambda: repeat(lambda x: matrix @ x),
        lambda: repeat(lambda x: matrix.T @ (matrix @ x)),
    )


def _jax_calls(name, p, steps):
    make = FORMULATIONS[name].make
    assert make, f"{name} is not in JAX"
    prepared, multiply = make(p)
    prepared, x = jax.device_put((prepared, p.x))

    def both(prepared, x):
        y, pull = jax.vjp(lambda x: multiply(prepared, x), x)
        return pull(y)[0]

    def repeated(step):
        def call(prepared, x):
            if steps == 1:
                return step(prepared, x)

            def again(x, _):
                return step(prepared, x), None

            return jax.lax.scan(again, x, length=steps)[0]

        compiled = jax.jit(call)
        return lambda: jax.block_until_ready(compiled(prepared, x))

    return repeated(multiply), repeated(both)


def timed(function, runs: int):
    """`(median seconds, result)` of at least `runs` calls, after one to compile."""
    result, seconds = function(), []
    while len(seconds) < runs or (sum(seconds) < LEAST_SECONDS and runs > 1):
        began = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - began)
    return np.median(seconds), result


def difference(found, expected) -> float:
    """The largest relative difference of a row of `[..., k]`."""
    size = np.linalg.norm(expected, axis=-1)
    error = np.linalg.norm(found - expected, axis=-1)
    return float(np.max(error / np.maximum(size, 1e-3 * np.mean(size))))


def peak() -> float:
    """Peak resident memory of this process so far, in GiB."""
    scale = 2**20 if sys.platform != "darwin" else 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def one(name: str, folder: pathlib.Path) -> None:
    """Measure a formulation here; print times and memory as JSON, save its results."""
    with np.load(folder / "problem.npz") as data:
        p = Problem(**data)
    before = peak()
    steps, runs = FLAGS.scan, FLAGS.runs
    forward, both, results = measure(name, p, steps=steps, runs=runs)
    gib = peak() - before
    np.save(folder / f"{name}.npy", results)
    print(json.dumps({"forward_ms": forward, "both_ms": both, "gib": gib}))


# The table.

COLUMNS = ("size", "formulation", "forward_ms", "forward_ratio")
COLUMNS += ("both_ms", "both_ratio", "gib", "difference")
TITLES = ("size", "formulation", "forward [ms]", "/ SciPy", "with backward [ms]")
TITLES += ("/ SciPy", "memory [GiB]")


def main(argv) -> None:
    """All sizes, all formulations."""
    del argv
    if FLAGS.one:
        return one(FLAGS.one, pathlib.Path(FLAGS.folder))
    for name in FLAGS.formulations:
        if name not in FORMULATIONS:
            sys.exit(f"error: {errors.nearest(name, FORMULATIONS, 'formulation')}")
    print(f"| {' | '.join(TITLES)} |\n|{' --- |' * len(TITLES)}", flush=True)
    rows = []
    for size in sizes():
        rows += compare(*size)
    write(rows)
    numbers.write(
        numbers.Number(f"{r['formulation']}, {what}", r[f"{what}_ms"], "ms", r["size"])
        for r in rows
        for what in ("forward", "both")
    )
    wrong = [r for r in rows if r["difference"] > TOLERANCE]
    if wrong:
        where = ", ".join(f"{r['formulation']} at {r['size']}" for r in wrong)
        sys.exit(f"error: not what SciPy computes: {where}; see {FLAGS.csv}")


def sizes():
    """`(name, nodes, edges, features, products per call)` of every size."""
    if FLAGS.small:
        return [("Cora", *SMALL, 1), ("Cora, scan of 50", *SMALL, 50)]
    return [
        (
            f"{scale}x",
            int(scale) * FLAGS.nodes,
            int(scale) * FLAGS.edges,
            FLAGS.features,
            FLAGS.scan,
        )
        for scale in FLAGS.scales
    ]


def compare(size, nodes, edges, features, steps) -> list[dict]:
    """Rows of one size, printed as they come."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        np.savez(folder / "problem.npz", **problem(nodes, edges, features)._asdict())
        for name in dict.fromkeys(["scipy", *FLAGS.formulations]):
            need = FORMULATIONS[name].gib(nodes, edges, features)
            measured = in_process(name, folder, need, steps)
            if "error" in measured:
                print(f"| {size} | {name} | {measured['error']} |", flush=True)
                if name == "scipy":  # nothing to compare the others with
                    break
                continue
            found[name] = row = {"size": size, "formulation": name} | measured
            for part in ("forward", "both"):
                scipy = found["scipy"][f"{part}_ms"]
                row[f"{part}_ratio"] = row[f"{part}_ms"] / scipy
            print(line(row), flush=True)
    described = {"nodes": nodes, "edges": edges, "features": features, "scan": steps}
    return [row | described for row in found.values()]


def in_process(name, folder, need, steps) -> dict:
    """`one` in a process of its own: times, memory, difference to SciPy; or an error."""
    if need > FLAGS.memory_gib:
        return {"error": f"skipped: needs {need:.1f} GiB, more than --memory_gib"}
    command = [sys.executable, "-m", "experiments.benchmarks.message_passing"]
    command += [f"--one={name}", f"--folder={folder}", f"--scan={steps}"]
    command += [f"--runs={FLAGS.runs}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1]
        return {"error": f"failed: {reason[:100]}"}
    results, expected = (np.load(folder / f"{x}.npy") for x in (name, "scipy"))
    measured = json.loads(done.stdout.splitlines()[-1])
    return measured | {"difference": difference(results, expected)}


def line(row) -> str:
    """A row of a Markdown table."""
    texts = [row["size"], row["formulation"]]
    for part in ("forward", "both"):
        milliseconds = row[f"{part}_ms"]
        digits = ".0f" if milliseconds >= 100 else ".3g"
        texts += [f"{milliseconds:{digits}}", f"{row[f'{part}_ratio']:.2f}"]
    return f"| {' | '.join(texts)} | {row['gib']:.2f} |"


def write(rows) -> None:
    """The same rows as CSV, with what they were measured on."""
    made = {"device": origin.device(), "commit": origin.commit()}
    made["date"] = time.strftime("%Y-%m-%d")
    columns = (*COLUMNS, "nodes", "edges", "features", "scan", *made)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | made for row in rows)
    with checkpoint.atomic(FLAGS.csv) as temporary:
        temporary.write_text(text.getvalue())


if __name__ == "__main__":
    flags.DEFINE_bool("small", False, "a graph of the size of Cora, also in a scan")
    flags.DEFINE_integer("nodes", 50_000, "nodes at 1x")
    flags.DEFINE_integer("edges", 600_000, "entries of the matrix at 1x")
    flags.DEFINE_integer("features", 128, "columns of the dense operand")
    flags.DEFINE_list("scales", ["1", "4", "16"], "multiples of nodes and edges")
    flags.DEFINE_list("formulations", list(FORMULATIONS), "compared with scipy")
    flags.DEFINE_integer("runs", 7, "calls per median, or more if they are short")
    flags.DEFINE_integer("scan", 1, "products per call; times are per product")
    flags.DEFINE_float("memory_gib", 12.0, "skip what would need more")
    flags.DEFINE_string("csv", "runs/benchmarks/message_passing.csv", "written there")
    numbers.define_flags()
    flags.DEFINE_string("one", "", "internal: measure a formulation here")
    flags.DEFINE_string("folder", "", "internal: where its problem is")
    app.run(main)
