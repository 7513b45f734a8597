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
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from absl import app, flags

from experiments import run as runner
from experiments.benchmarks import numbers
from iclr22 import checkpoint, errors, sparse

SMALL = (2708, 13264, 64)  # nodes, edges, features of Cora, features after a projection
WIDTH = 64  # neighbours of a row that are summed in one piece when they are padded
TOLERANCE = 1e-3  # relative difference to SciPy, per row
COMPARED = 50_000  # rows that are compared: all of them at 1x
LEAST_SECONDS = 0.5  # of calls that a median is taken over, if they are short
FLAGS = flags.FLAGS


class Problem(NamedTuple):
    """Entries of a square matrix, sorted by row, and the dense operand."""

    rows: np.ndarray  # [entries]
    columns: np.ndarray  # [entries]
    values: np.ndarray  # [entries]
    x: np.ndarray  # [n, k]


def problem(nodes: int, edges: int, features: int) -> Problem:
    """A random graph whose share of nodes with d edges falls like d^-2.5.

    Both directions of an edge are present and have weights of their own, scaled so that
    no singular value is above 1: a product can be repeated.
    """
    rng = np.random.default_rng(0)
    chance = (np.arange(nodes) + 10.0) ** (-2 / 3)
    chance = rng.permutation(chance / chance.sum())
    ends = rng.choice(nodes, (2, edges // 2), p=chance)
    rows, columns = np.concatenate([ends, ends[::-1]], axis=1)
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    values = rng.uniform(0.5, 1.5, len(rows))
    across, down = (np.bincount(i, values, nodes) for i in (rows, columns))
    values /= np.sqrt(across[rows] * down[columns])
    x = rng.normal(size=(nodes, features))
    return Problem(*map(np.int32, (rows, columns)), *map(np.float32, (values, x)))


# Formulations: what is prepared on the host, and the product `(prepared, x) -> A x`.


def product(p: Problem):
    """`iclr22.sparse.product`: compressed rows, in both orders."""
    prepared = p.values, sparse.plan(p.rows, p.columns, (len(p.x), len(p.x)))
    return prepared, lambda prepared, x: sparse.product(*prepared, x)


def segment_sum(p: Problem):
    """`jax.ops.segment_sum` of messages sorted by receiver."""
    prepared = p.values, p.rows, p.columns
    return prepared, lambda prepared, x: sparse.segment_product(*prepared, x, len(x))


def jraph_segment_sum(p: Problem):
    """As `jraph.GraphConvolution` does it, edges in random order."""
    order = np.random.default_rng(1).permutation(len(p.rows))
    prepared = p.values[order], p.rows[order], p.columns[order]

    def multiply(prepared, x):
        values, receivers, senders = prepared
        return jraph.segment_sum(values[:, None] * x[senders], receivers, len(x))

    return prepared, multiply


def padded(p: Problem):
    """Rows of like degree padded to the same width; one gather per neighbour."""
    order = np.lexsort((p.rows, p.columns))
    transposed = p.columns[order], p.rows[order], p.values[order]
    prepared = _table(p.rows, p.columns, p.values, len(p.x))
    prepared = prepared, _table(*transposed, len(p.x))

    @jax.custom_vjp
    def multiply(prepared, x):
        return _gather(prepared[0], x)

    multiply.defvjp(
        lambda prepared, x: (multiply(prepared, x), prepared),
        lambda prepared, cotangent: (None, _gather(prepared[1], cotangent)),
    )
    return prepared, multiply


class _Table(NamedTuple):
    """Rows cut into pieces of at most `WIDTH` entries, pieces in buckets of one width."""

    buckets: list  # (columns [width, pieces], values [width, pieces]), padded with 0
    first: np.ndarray  # [n], where the first piece of a row is; 0 if it has none
    rows: np.ndarray  # [further pieces], the rows that they belong to
    further: np.ndarray  # [further pieces], where they are


def _table(rows, columns, values, n) -> _Table:
    degree = np.bincount(rows, minlength=n)
    pieces = -(-degree // WIDTH)
    owner = np.repeat(np.arange(n), pieces)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    low = (np.cumsum(degree) - degree)[owner] + WIDTH * number
    count = np.minimum(degree[owner] - WIDTH * number, WIDTH)
    where, buckets = np.zeros(len(owner), np.int32), []
    done = 1  # place 0 is a row of zeros
    for width in 2 ** np.arange(WIDTH.bit_length()):
        chosen = np.flatnonzero((count > width // 2) & (count <= width))
        where[chosen] = done + np.arange(len(chosen))
        done += len(chosen)
        lane = np.arange(width)[:, None]
        entry = np.minimum(low[chosen] + lane, len(rows) - 1)
        weights = np.where(lane < count[chosen], values[entry], 0)
        buckets.append((columns[entry], weights))
    first, start = np.zeros(n, np.int32), number == 0
    first[owner[start]] = where[start]
    return _Table(buckets, first, owner[~start].astype(np.int32), where[~start])


def _gather(table: _Table, x):
    parts = [jnp.zeros_like(x[:1])]
    for columns, values in table.buckets:
        neighbours = zip(columns, values, strict=True)
        parts.append(sum(weight[:, None] * x[index] for index, weight in neighbours))
    parts = jnp.concatenate(parts)
    return parts[table.first].at[table.rows].add(parts[table.further])


class Formulation(NamedTuple):
    """How to prepare a product, and what it needs forward and backward."""

    make: Callable
    dense: int  # arrays [n, k]
    messages: int  # arrays [entries, k]
    entries: int  # arrays [entries]

    def gib(self, nodes, edges, features) -> float:
        """About this much memory on top of the problem."""
        rows = self.dense * nodes + self.messages * edges
        return 4 * (rows * features + self.entries * edges) / 2**30


FORMULATIONS = {
    "scipy": Formulation(None, 3, 0, 4),
    "product": Formulation(product, 3, 0, 12),
    "padded": Formulation(padded, 6, 0, 12),
    "segment_sum": Formulation(segment_sum, 3, 1, 6),
    "jraph": Formulation(jraph_segment_sum, 3, 1, 6),
}


# Measurements.


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
    prepared, multiply = FORMULATIONS[name].make(p)
    prepared, x = jax.device_put((prepared, p.x))

    def both(prepared, x):
        y, pull = jax.vjp(lambda x: multiply(prepared, x), x)
        return pull(y)[0]

    def repeated(step):
        def call(prepared, x):
            if steps == 1:
                return step(prepared, x)
            return jax.lax.scan(
                lambda x, _: (step(prepared, x), None), x, length=steps
            )[0]

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
    base, scan = (FLAGS.nodes, FLAGS.edges), FLAGS.scan
    scales = [(s, int(s)) for s in FLAGS.scales]
    return [(f"{s}x", *(i * x for x in base), FLAGS.features, scan) for s, i in scales]


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
    origin = {"device": runner.device(), "commit": runner.commit()}
    origin["date"] = time.strftime("%Y-%m-%d")
    columns = (*COLUMNS, "nodes", "edges", "features", "scan", *origin)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | origin for row in rows)
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
