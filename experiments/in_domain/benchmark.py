r"""Time and memory of the in-domain benchmark.

  python -m experiments.in_domain.benchmark              # five minutes
  python -m experiments.in_domain.benchmark --noscales
  python -m experiments.in_domain.benchmark --peers=OTHER/bin/python   # has torch

Processor time, which others on the machine change little, on one core: both renderers beside
NumPy, one update of every network, of the CNN also beside PyTorch, of soft-argmax and of the
representation learners. Then 1x, 4x and 16x images, each in a process of its own with its
peak memory, and the exponents of growth.
"""

import json
import subprocess
import time

import numpy as np
from absl import app, flags

from experiments import updates
from experiments.benchmarks import message_passing, numbers
from experiments.in_domain import speed
from iclr22.data.factors import published, renderers
from iclr22.in_domain import networks, pcl, regressor, vae

MODULE = "experiments.in_domain.benchmark"
CALLS = ((),)  # arguments of a full run
QUICK = ("--quick", "--repeat=1")
SCALING = {  # stage: examples of one process, and what is wider than in an example
    "in_domain.regressor": (256, {}),
    "in_domain.vae": (256, {}),
    "in_domain.pcl": (256, {}),
}
SIZES = ((32, 1, 64), (64, 3, 128))  # side, channels, images of an update
FLAGS = flags.FLAGS


def of_renderers(quick: bool, repeat: int) -> list[numbers.Number]:
    """Images in a processor second, beside NumPy."""
    count = {"count": 256 if quick else 4096}
    found = []
    for name, measure in (
        ("dSprites", speed.of_dsprites),
        ("scenes", speed.of_shapes3d),
    ):
        rates = measure(**count, repeat=repeat)
        middle = {k: float(np.median(x)) for k, x in rates.items()}
        for whose, value in middle.items():
            times = value / middle["numpy"]
            print(f"{name}, {whose}: {value:,.0f} images/s, {times:.1f} times NumPy")
            found.append(
                numbers.Number(f"{name}, {whose}", value, "images/s", "64 x 64")
            )
    whole = renderers.SHAPES3D.count if not quick else 4096
    began = time.process_time()
    for start in range(0, whole, 4096):
        points = np.arange(start, min(start + 4096, whole))
        renderers.draw("shapes3d_like", 64, renderers.SHAPES3D.numbers(points))
    spent = time.process_time() - began
    return found + numbers.told("scenes, all", spent, "s", f"{whole:,} images")


def batch_of(side: int, channels: int, size: int) -> dict:
    """Images as a batch of a regressor."""
    random = np.random.default_rng(0)
    return {
        "x": random.integers(0, 256, (size, side, side, channels), np.uint8),
        "target": random.random((size, 5), np.float32),
        "row": np.arange(size, dtype=np.int32),
        "weight": np.ones(size, np.float32),
    }


def of_updates(peers: str, quick: bool, repeat: int) -> list[numbers.Number]:
    """One update of every network; of the CNN also beside PyTorch."""
    found = []
    names = ("cnn", "soft_argmax") if quick else networks.NAMES
    for side, channels, size in SIZES[: 1 if quick else 2]:
        given = batch_of(side, channels, size)
        for name in names if side == 32 else ("cnn",):
            if name == "readout" or name.endswith("in1k"):
                continue
            config = regressor.Config(name, outputs=5, side=side)
            first, times, _ = updates.timed(
                *updates.started(regressor, config, [given]), repeat
            )
            usual = float(np.median(times))
            told = f"{size} images, {side} x {side} x {channels}"
            beside = None
            if peers and name == "cnn":
                beside = torch_update(peers, side, channels, size, repeat)
            found += numbers.told(f"{name}, compiling", first - usual, "s", told)
            found += numbers.told(f"{name}, update", usual, "s", told, beside)
    return found + of_learners(quick, repeat)


def of_learners(quick: bool, repeat: int) -> list[numbers.Number]:
    """One update of each representation learner, of pairs of images."""
    size, found = 8 if quick else 64, []
    given = batch_of(32, 1, size)
    label = (np.arange(size) % 2).astype(np.float32)  # whether the second follows
    given |= {"x2": given["x"][::-1].copy(), "label": label}
    kinds = {
        f"{kind}": (vae, vae.Config(kind=kind)) for kind in ("beta_vae", "slow_vae")
    }
    for name, (stage, config) in (kinds | {"pcl": (pcl, pcl.Config())}).items():
        config = config._replace(side=32)
        _, times, _ = updates.timed(*updates.started(stage, config, [given]), repeat)
        told = f"{size} images, 32 x 32 x 1"
        found += numbers.told(f"{name}, update", float(np.median(times)), "s", told)
    return found


TORCH = """
import json, sys, time
import torch
side, channels, size, repeat = map(int, sys.argv[1:])
torch.set_num_threads(1)
layers, width = [], channels
widths = (32, 32, 64) if side == 32 else (32, 32, 64, 64)
for new in widths:
    layers += [torch.nn.Conv2d(width, new, 4, 2, 1), torch.nn.ReLU()]
    width = new
layers += [torch.nn.Conv2d(width, 256, 4), torch.nn.ReLU(), torch.nn.Flatten()]
network = torch.nn.Sequential(*layers, torch.nn.Linear(256, 5))
optimizer = torch.optim.Adam(network.parameters(), 1e-3)
x, target = torch.rand(size, channels, side, side), torch.rand(size, 5)
times = []
for _ in range(repeat + 2):
    began = time.process_time()
    optimizer.zero_grad()
    torch.mean((network(x) - target) ** 2).backward()
    optimizer.step()
    times.append(time.process_time() - began)
print(json.dumps(sorted(times[2:])[repeat // 2]))
"""


def torch_update(interpreter: str, side: int, channels: int, size: int, repeat: int):
    """Processor seconds of the same update by an interpreter that has torch."""
    words = [interpreter, "-c", TORCH, *map(str, (side, channels, size, repeat))]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def scale(factor: int) -> dict[str, float]:
    """Processor seconds of rendering and of an update, and peak memory [GiB]."""
    images = published.DATASETS["shapes3d_like"].load(None)
    rows = np.arange(2000 * factor)
    images.images(rows[:256])
    began = time.process_time()
    for start in range(0, len(rows), 2000):
        images.images(rows[start : start + 2000])
    drawing = time.process_time() - began
    config = regressor.Config("cnn", outputs=5, side=32)
    given = batch_of(32, 3, 32 * factor)
    _, times, _ = updates.timed(*updates.started(regressor, config, [given]), 3)
    return {
        "drawing": drawing,
        "update": float(np.median(times)),
        "peak memory": message_passing.peak(),
    }


def of_scales(quick: bool) -> list[numbers.Number]:
    """Growth with images."""
    factors, found, values = (1,) if quick else (1, 4, 16), [], []
    for factor in factors:
        values.append(numbers.in_child(MODULE, f"--child={factor}"))
        for name, value in values[-1].items():
            unit = "GiB" if name == "peak memory" else "s"
            size = f"{factor}x, {2000 * factor:,} drawn, {32 * factor} of an update"
            found += numbers.told(name, value, unit, size)
    return found + numbers.growth(factors, values)


def main(argv) -> None:
    """Print a table."""
    del argv
    if not numbers.began(scale):
        return
    numbers.write(of_renderers(FLAGS.quick, FLAGS.repeat))
    numbers.write(of_updates(FLAGS.peers, FLAGS.quick, FLAGS.repeat))
    if FLAGS.scales:
        numbers.write(of_scales(FLAGS.quick))


if __name__ == "__main__":
    flags.DEFINE_bool("quick", False, "small sizes, to see that it works")
    flags.DEFINE_integer("repeat", 5, "timed repetitions", lower_bound=1)
    flags.DEFINE_string("peers", "", "interpreter that has torch")
    flags.DEFINE_bool("one_core", True, "use one core alone")
    flags.DEFINE_bool("scales", True, "also at 1x, 4x, 16x images")
    flags.DEFINE_integer("child", 0, "internal: factor")
    numbers.define_flags()
    app.run(main)
