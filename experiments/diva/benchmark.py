"""Time and memory of the dataset derivative at 1x, 4x and 16x, and its rivals.

  python -m experiments.diva.benchmark              # all cases, about 15 minutes
  python -m experiments.diva.benchmark --cases=primal,autodiff --largest=5000

Every measurement is a process of its own, so that peak memory is its own. Times are the
best of a few calls after compiling. Exponents are fitted over the three sizes.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from experiments.benchmarks import numbers
from iclr22 import data, diva
from iclr22.diva import maps, ridge, stream

SIZES = {
    "primal": (1250, 5000, 20000),  # closed form, m features
    "autodiff": (1250, 5000, 20000),  # jax.grad through the solve, the same numbers
    "retrain": (1250, 5000, 20000),  # n ridge problems, extrapolated from 50
    "dual": (1250, 5000, 20000),  # closed form from an n x n Gram matrix
    "nystrom": (6250, 25000, 100000),  # streamed over landmark features of a kernel
}
AGREEMENT = 20000  # examples on which Nystrom is compared with the exact kernel
CALLS = ((),)
QUICK = ("--cases=primal,autodiff", "--largest=1250")
SCALING = {"diva": (8192, {"width": 64})}  # examples of one process, what is wider
L2 = 1.0
FLAGS = flags.FLAGS


def problem(n: int, m: int, classes: int = 10):
    """Random ReLU features of enlarged digits `[n, m]` and one-hot targets."""
    x, y = enlarged_digits(n)
    make = maps.random_relu(x[:2000], 0, m - 1)
    return np.asarray(make(x), np.float64), diva.one_hot(y, classes)


def enlarged_digits(n: int):
    """n digits: the bundled ones again and again, shifted by noise; a fifth mislabelled."""
    digits = data.get("digits").load(None)["train"]
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(digits["y"]), n)
    x = digits["x"][rows].reshape(n, -1) / 16 + 0.1 * rng.normal(size=(n, 64))
    y = (digits["y"][rows] + (rng.random(n) < 0.2) * rng.integers(1, 10, n)) % 10
    return x.astype(np.float32), y


def primal(n: int, m: int):
    """`diva.derivative` from features."""
    z, targets = problem(n, m)
    weights = np.ones(n)
    return timed(lambda: diva.derivative(z, targets, weights, L2))


def autodiff(n: int, m: int):
    """`jax.grad` of the closed-form leave-one-out loss, through its Cholesky solve."""
    jax.config.update("jax_enable_x64", True)
    z, targets = map(jnp.asarray, problem(n, m))

    def loss(weights):
        a = z.T @ (weights[:, None] * z) + L2 * jnp.eye(m)
        factor = jnp.linalg.cholesky(a)
        white = jax.scipy.linalg.solve_triangular(factor, z.T, lower=True).T
        fitted = white @ (white.T @ (weights[:, None] * targets))
        slack = 1 - weights * jnp.sum(white**2, axis=1)
        return jnp.sum(((targets - fitted) / slack[:, None]) ** 2)

    gradient = jax.jit(jax.grad(loss))
    weights = jnp.ones(n)
    return timed(lambda: jax.block_until_ready(gradient(weights)))


def retrain(n: int, m: int, some: int = 50):
    """Seconds for n ridge solutions without one example each, from `some` of them."""
    jax.config.update("jax_enable_x64", True)
    z, targets = map(jnp.asarray, problem(n, m))
    solve = jax.jit(lambda w: ridge.solve(z, targets, w, L2))
    jax.block_until_ready(solve(jnp.ones(n)))
    began = time.perf_counter()
    for i in range(some):
        jax.block_until_ready(solve(jnp.ones(n).at[i].set(0)))
    return (time.perf_counter() - began) * n / some, None


def dual(n: int, m: int):
    """`diva.derivative_from_gram`."""
    x, y = enlarged_digits(n)
    gram = np.asarray(kernel(x, x), np.float64)
    targets, weights = diva.one_hot(y, 10), np.ones(n)
    return timed(lambda: diva.derivative_from_gram(gram, targets, weights, L2), calls=1)


def nystrom(n: int, m: int):
    """Streamed derivative over m Nystrom features of the kernel, features included."""
    x, y = enlarged_digits(n)
    targets = diva.one_hot(y, 10)

    def run():
        make = stream.nystrom(kernel, x[:m])
        z = np.concatenate([make(x[i : i + 10000]) for i in range(0, n, 10000)])
        chunks = stream.in_chunks(z.astype(np.float32), targets, chunk=6250)
        return stream.derivative(chunks, L2)[:n]

    return timed(run, calls=1)


@jax.jit
def kernel(a, b):
    """Gaussian kernel of digits, bandwidth 2."""
    norms = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1)
    return jnp.exp(-jnp.maximum(norms - 2 * a @ b.T, 0) / 8)


def timed(function, calls: int = 3):
    """`(best seconds, last result)` after one call to compile."""
    if calls > 1:
        function()
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - began)
    return min(seconds), np.asarray(result)


CASES = {f.__name__: f for f in (primal, autodiff, retrain, dual, nystrom)}


def measure(case: str, n: int, m: int, keep: str = "") -> dict:
    """One case in a process of its own: seconds and peak GiB."""
    command = [sys.executable, "-m", "experiments.diva.benchmark", "--one", case]
    command += ["--n", str(n), "--features", str(m), "--keep", keep]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:100]}
    return json.loads(done.stdout.splitlines()[-1])


def one(case: str, n: int, m: int, keep: str) -> None:
    """Run a case here and print its measurements as JSON."""
    baseline = peak()
    seconds, result = CASES[case](n, m)
    if keep and result is not None:
        np.save(keep, result)
    print(json.dumps({"seconds": seconds, "gib": peak() - baseline}))


def peak() -> float:
    """Peak resident memory of this process so far, in GiB."""
    scale = 2**20 if sys.platform != "darwin" else 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def main(argv) -> None:
    """All cases, then the comparisons."""
    del argv
    if FLAGS.one:
        return one(FLAGS.one, FLAGS.n, FLAGS.features, FLAGS.keep)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        exact = pathlib.Path(folder) / "exact.npy"
        print(f"{'case':10s} {'n':>7s} {'seconds':>10s} {'peak GiB':>9s}")
        for case in FLAGS.cases:
            found |= scaling(case, exact)
        compare(found)
        if exact.exists():
            agreement(exact)
    numbers.write(
        numbers.Number(f"{case}, {what}", result[what], unit, f"n={n}")
        for (case, n), result in found.items()
        for what, unit in (("seconds", "s"), ("gib", "GiB"))
        if what in result
    )


def scaling(case: str, exact: pathlib.Path) -> dict:
    """One case at every size, and the exponent."""
    sizes = [n for n in SIZES[case] if n <= FLAGS.largest]
    found = {}
    for n in sizes:
        keep = str(exact) if (case, n) == ("dual", AGREEMENT) else ""
        found[case, n] = result = measure(case, n, FLAGS.features, keep)
        text = result.get("error") or f"{result['seconds']:10.3f} {result['gib']:9.2f}"
        print(f"{case:10s} {n:7d} {text}", flush=True)
    seconds = [found[case, n].get("seconds", np.nan) for n in sizes]
    if len(sizes) > 1:
        slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        print(f"{case:10s} time grows like n^{slope:.2f}")
    return found


def compare(found) -> None:
    """Ratios of the closed form to its rivals."""
    for (case, n), result in found.items():
        for rival in ("autodiff", "retrain"):
            other = found.get((rival, n), {})
            if case == "primal" and "seconds" in result and "seconds" in other:
                ratio = other["seconds"] / result["seconds"]
                memory = other["gib"] / max(result["gib"], 1e-9)
                text = f"n = {n}: {ratio:.1f}x faster than {rival}"
                if rival == "autodiff":
                    text += f", {memory:.1f}x less memory"
                print(text)


def agreement(exact: pathlib.Path) -> None:
    """Rank correlation of the scalable derivative with the exact one."""
    from scipy import stats

    truth = np.load(exact)
    keep = exact.with_name("nystrom.npy")
    for m in (FLAGS.features // 2, FLAGS.features, 2 * FLAGS.features):
        result = measure("nystrom", AGREEMENT, m, str(keep))
        near = np.load(keep)
        rank = stats.spearmanr(truth, near)[0]
        linear = np.corrcoef(truth, near)[0, 1]
        print(
            f"nystrom, {m} landmarks, n = {AGREEMENT}: rank correlation {rank:.4f}, "
            f"linear {linear:.4f} to the exact kernel, {result['seconds']:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    flags.DEFINE_list("cases", list(CASES), "which cases to run")
    flags.DEFINE_integer("largest", 10**9, "skip sizes above this")
    flags.DEFINE_integer("features", 1024, "features, or landmarks")
    numbers.define_flags()
    flags.DEFINE_string("one", "", "internal: run one case here")
    flags.DEFINE_integer("n", 0, "internal: examples of that case")
    flags.DEFINE_string("keep", "", "internal: save the derivative there")
    app.run(main)
