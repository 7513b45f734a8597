r"""How long a step waits for its batch, with and without a thread that makes them ahead.

  python -m experiments.benchmarks.streaming              # some minutes
  python -m experiments.benchmarks.streaming --quick      # a small set, seconds

A small convolutional network trains on images in `.npy` files that are mapped, shuffled by
block, at 1x, 4x and 16x as many. `cheap` takes rows, `costly` also shifts, mirrors and
standardises them in NumPy, `remote` waits for every batch as for a slow disk. Beside the
share of time in which the loop waited stand milliseconds per step, and those of the same
step on a batch that is always there: on a CPU both work on the same cores.
"""

import functools
import pathlib
import tempfile
import time

import numpy as np
from absl import app, flags

from experiments import origin
from experiments.benchmarks import numbers
from iclr22 import diva, loop, parallel
from iclr22.data import streaming

SIDE, CLASSES, FILES = 32, 10, 4
REMOTE_SECONDS = 0.02  # that a batch takes to arrive from a slow disk
SCALES = (1, 4, 16)
CALLS = ((),)
QUICK = ("--quick",)
FLAGS = flags.FLAGS


def write_images(folder: pathlib.Path, count: int) -> None:
    """Random images and labels, in some files each."""
    rng = np.random.default_rng(0)
    for i, n in enumerate(np.diff(np.linspace(0, count, FILES + 1).astype(int))):
        x = rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
        np.save(folder / f"x-{i}.npy", x)
        np.save(folder / f"y-{i}.npy", rng.integers(0, CLASSES, n).astype(np.int32))


def cheap(source, step: int) -> dict:
    """Rows as floats."""
    batch = source(step)
    return batch | {"x": batch["x"].astype(np.float32) / 255}


def costly(source, step: int) -> dict:
    """Rows, each shifted by up to four pixels, mirrored, standardised."""
    batch = source(step)
    rng = np.random.default_rng((source.seed, step))
    padded = np.pad(batch["x"], ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    rows, columns = rng.integers(0, 9, (2, len(padded), 1)) + np.arange(SIDE)
    flip = rng.random(len(padded)) < 0.5
    columns[flip] = columns[flip, ::-1]
    index = np.arange(len(padded))[:, None, None]
    x = padded[index, rows[:, :, None], columns[:, None, :]].astype(np.float32)
    mean, spread = x.mean((1, 2, 3), keepdims=True), x.std((1, 2, 3), keepdims=True)
    return batch | {"x": (x - mean) / (spread + 1e-6)}


def remote(source, step: int) -> dict:
    """Rows that take their time."""
    time.sleep(REMOTE_SECONDS)
    return cheap(source, step)


PIPELINES = {"cheap": cheap, "costly": costly, "remote": remote}


def train(batches, config, steps: int, prefetch: int) -> loop.Times:
    """Times of the second of two runs; the first compiles."""
    found = []
    plan = loop.Schedule(steps, log_every=steps, prefetch=prefetch)
    for length in (2, steps):
        plan = plan._replace(steps=length)
        loop.fit(diva, config, batches, plan, watch=found.append)
    return found[-1]


def measure(scales=SCALES, base: int = 8192, batch: int = 128, steps: int = 60):
    """Yield `(pipeline, scale, prefetch, waiting share, ms per step, ms of the step)`."""
    config, alone = diva.Config(classes=CLASSES, batch_size=batch), None
    devices = parallel.devices("jit").mesh.size
    for scale in scales:
        with tempfile.TemporaryDirectory() as folder:
            write_images(pathlib.Path(folder), base * scale)
            arrays = streaming.open_folder(folder)
            source = streaming.make(arrays, batch, devices=devices)
            if alone is None:
                held = cheap(source, 0)
                alone = train(lambda _, held=held: held, config, steps, 0)
            for name, pipeline in PIPELINES.items():
                for prefetch in (0, 2):
                    made = functools.partial(pipeline, source)
                    times = train(made, config, steps, prefetch)
                    each = [1e3 * t.seconds / t.calls for t in (times, alone)]
                    yield (name, f"{scale}x", prefetch, times.idle, *each)


def main(argv) -> None:
    """Print a table, line by line."""
    del argv
    small = {"scales": (1, 2), "base": 256, "batch": 16, "steps": 6}
    print(f"{origin.device()}; share of the time in which the loop waited for a batch")
    print(
        f"{'pipeline':8s} {'size':>5s} {'ahead':>5s} {'waiting':>8s} {'ms':>8s}  alone"
    )
    rows = measure(**small if FLAGS.quick else {"steps": FLAGS.steps})
    for name, scale, prefetch, idle, each, alone in rows:
        print(
            f"{name:8s} {scale:>5s} {prefetch:5d} {100 * idle:7.1f}% {each:8.2f} "
            f"{alone:6.2f}",
            flush=True,
        )
        what = f"{name}, {prefetch} ahead"
        waiting = numbers.Number(f"{what}, waiting", 100 * idle, "%", scale)
        numbers.write([waiting, numbers.Number(f"{what}, step", each, "ms", scale)])


if __name__ == "__main__":
    flags.DEFINE_bool("quick", False, "a small set, to see that it works")
    flags.DEFINE_integer("steps", 60, "of every run", lower_bound=3)
    numbers.define_flags()
    app.run(main)
