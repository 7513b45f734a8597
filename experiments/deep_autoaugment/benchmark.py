r"""Time and memory of Deep AutoAugment.

  python -m experiments.deep_autoaugment.benchmark              # five minutes
  python -m experiments.deep_autoaugment.benchmark --noscales
  python -m experiments.deep_autoaugment.benchmark --peers=OTHER/bin/python

Processor time, which others on the machine change little, on one core: each operation and a
policy beside Pillow; with an interpreter that has torch and torchvision also beside
torchvision v2 on images and on tensors, with the same draws and pixels. One update of a
classifier and of both kinds of layers of a search, with compiling, beside PyTorch. Then 1x,
4x and 16x images and groups, each in a process of its own with its peak memory, and the
exponents of growth.
"""

import contextlib
import time

import jax
import numpy as np
from absl import app, flags

from experiments import updates
from experiments.benchmarks import message_passing, numbers
from experiments.deep_autoaugment import speed
from iclr22.deep_autoaugment import baselines, classifier, matching, policy, space
from iclr22.deep_autoaugment.classifier import Config as Classifier

MODULE = "experiments.deep_autoaugment.benchmark"
CALLS = ((),)  # arguments of a full run
QUICK = ("--quick", "--repeat=1")
SCALING = {  # stage: examples of one process, and what is wider than in an example
    "deep_autoaugment.matching": (256, {}),
    "deep_autoaugment.classifier": (256, {}),
}
SIDE, IMAGES = 32, 4096
FLAGS = flags.FLAGS


def pictures(count: int, side: int = SIDE) -> np.ndarray:
    """Images `[n, h, w, 3]` uint8 that are no noise: smooth colours and edges."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 5, 5, 3))
    places = np.linspace(0, 4, side)
    rows, columns = np.meshgrid(places, places, indexing="ij")
    smooth = coarse[:, np.round(rows).astype(int), np.round(columns).astype(int)]
    noise = random.normal(0, 8, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def of_operations(quick: bool, repeat: int) -> list[numbers.Number]:
    """Each operation beside Pillow, and the mean of all."""
    images, found = pictures(64 if quick else IMAGES), []
    rates = speed.of_operations(images, repeat=repeat)
    for op, times in rates.items():
        found += told(op, times["ours"], times["pillow"], "Pillow")
    middle = speed.means(rates)
    for place, what in enumerate(("mean of rates", "equally many of each")):
        ours, theirs = middle["ours"][place], middle["pillow"][place]
        found += told(f"18 operations, {what}", [ours], [theirs], "Pillow")
    return found


def told(what, ours, theirs, whose) -> list[numbers.Number]:
    """Rates; the factor is how much faster ours is."""
    mine, other = float(np.median(ours)), float(np.median(theirs))
    line = f"{what:36s} {speed.told(ours):34s} images/s   {whose} {speed.told(theirs)}"
    print(f"{line}   {mine / other:.1f} times", flush=True)
    return [
        numbers.Number(what, mine, "images/s", f"{SIDE} x {SIDE}"),
        numbers.Number(f"{what}, {whose}", other, "images/s", f"{SIDE} x {SIDE}"),
        numbers.Number(f"{what}, ours over {whose}", mine / other, ""),
    ]


def of_policies(ask, quick: bool, repeat: int) -> list[numbers.Number]:
    """Whole policies beside loops over images, of the same pixels."""
    images, found = pictures(32 if quick else 1024), []
    uniform = policy.of_probabilities(space.space(), np.full((6, 139), 1 / 139))
    chosen = {
        "six layers, equal chances": uniform,
        "RandAugment": baselines.rand_augment(),
    }
    for name, one in chosen.items():
        rates, differing = speed.of_policy(ask, one, images, repeat=repeat)
        for whose in ("pillow", "torchvision", "tensors"):
            label = f"{whose}, {differing[whose]:.1%} of pixels differ"
            found += told(name, rates["ours"], rates[whose], label)
    return found


def batch_of(stage, config, size: int, validation: int = 64) -> dict:
    """Images of equal classes, as a batch of a stage."""
    images = pictures(size)
    y = (np.arange(size) % 10).astype(np.int32)
    row, weight = np.arange(size, dtype=np.int32), np.ones(size, np.float32)
    common = {"y": y, "row": row, "weight": weight}
    if stage is classifier:
        return common | {"x": images}
    x = pictures(size * validation).reshape(size, validation, SIDE, SIDE, 3)
    return common | {"x": x, "image": images}


def stages(quick: bool):
    """`(name, stage, configuration, examples)` of what is trained."""
    network = Classifier(
        depth=4 if quick else 16, classes=10, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    small = space.space(levels=2 if quick else 4)
    layer = matching.Config(
        network=network, transformations=small, copies=1, paths=2, layers=3
    )
    groups = 1 if quick else 4
    yield "classifier", classifier, network, 64
    yield "first layer", matching, layer, groups
    yield "later layer", matching, layer._replace(first=False), groups


def of_updates(ask, quick: bool, repeat: int) -> list[numbers.Number]:
    """One update of each stage; of a network also beside PyTorch."""
    found = []
    for name, stage, config, size in stages(quick):
        given = batch_of(stage, config, size, 8 if quick else 64)
        first, times, _ = updates.timed(
            *updates.started(stage, config, [given]), repeat
        )
        usual = float(np.median(times))
        told_size = f"{size} {'images' if stage is classifier else 'groups'}"
        beside = None
        if ask and stage is classifier:
            of = {"depth": 4 if quick else 16, "widen": 1, "batch": size}
            beside = ask("network", **of, size=SIDE, repeat=repeat)["update"]
        found += numbers.told(f"{name}, compiling", first - usual, "s", told_size)
        found += numbers.told(f"{name}, update", usual, "s", told_size, beside)
    return found


def scale(factor: int) -> dict[str, float]:
    """Processor seconds of `apply_policy` and of a search's update, and peak memory [GiB]."""
    images = pictures(1000 * factor)
    chosen, key = baselines.rand_augment(), jax.random.key(0)
    jax.block_until_ready(policy.apply_policy(chosen, images, key))
    began = time.process_time()
    jax.block_until_ready(policy.apply_policy(chosen, images, key))
    augmenting = time.process_time() - began
    *_, (_, stage, config, _) = stages(True)
    given = batch_of(stage, config, factor, 16)
    _, times, _ = updates.timed(*updates.started(stage, config, [given]), 1)
    return {
        "augmenting": augmenting,
        "update of a layer": times[0],
        "peak memory": message_passing.peak(),
    }


def of_scales(quick: bool) -> list[numbers.Number]:
    """Growth with images and groups."""
    factors, found, values = (1,) if quick else (1, 4, 16), [], []
    for factor in factors:
        values.append(numbers.in_child(MODULE, f"--child={factor}"))
        for name, value in values[-1].items():
            unit = "GiB" if name == "peak memory" else "s"
            size = f"{factor}x, {1000 * factor:,} images, {factor} groups"
            found += numbers.told(name, value, unit, size)
    return found + numbers.growth(factors, values)


def main(argv) -> None:
    """Print a table."""
    del argv
    if not numbers.began(scale):
        return
    numbers.write(of_operations(FLAGS.quick, FLAGS.repeat))
    peers = speed.asking(FLAGS.peers) if FLAGS.peers else contextlib.nullcontext()
    with peers as ask:
        if ask:
            numbers.write(of_policies(ask, FLAGS.quick, FLAGS.repeat))
        numbers.write(of_updates(ask, FLAGS.quick, FLAGS.repeat))
    if FLAGS.scales:
        numbers.write(of_scales(FLAGS.quick))


if __name__ == "__main__":
    flags.DEFINE_bool("quick", False, "small sizes, to see that it works")
    flags.DEFINE_integer("repeat", 5, "timed repetitions", lower_bound=1)
    flags.DEFINE_string("peers", "", "interpreter that has torch and torchvision")
    flags.DEFINE_bool("one_core", True, "use one core alone")
    flags.DEFINE_bool("scales", True, "also at 1x, 4x, 16x images")
    flags.DEFINE_integer("child", 0, "internal: factor")
    numbers.define_flags()
    app.run(main)
