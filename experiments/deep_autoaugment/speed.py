"""How fast images are augmented, beside Pillow and torchvision with the same pixels.

Numbers are processor seconds, in which other programs on the machine matter little; both
sides take turns, and each is measured several times. `benchmark` prints them.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from experiments.deep_autoaugment import peer
from iclr22 import errors
from iclr22.data.images.files import pillow
from iclr22.deep_autoaugment import applying, policy, space, tables
from iclr22.deep_autoaugment.exports import replay, standalone
from iclr22.deep_autoaugment.policy import Mixture, Policy

Ask = Callable[..., dict[str, Any]]
Times = dict[str, list[float]]  # by whom, images in a processor second, by repetition


@contextlib.contextmanager
def asking(python: str) -> Iterator[Ask]:
    """A function that asks `peer`, run by another interpreter, for one measurement.

    Raises:
      errors.InputError: that interpreter lacks torch or torchvision, or ends.
    """
    alone = os.environ | {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONPATH": "",
    }
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([python, peer.__file__], **pipes, text=True, env=alone)
    to, back = child.stdin, child.stdout
    assert to and back

    def ask(what: str, **about) -> dict[str, Any]:
        to.write(json.dumps({"what": what, **about}) + "\n")
        to.flush()
        line = back.readline()
        found = json.loads(line) if line else {"error": "it ended"}
        if "error" in found:
            raise errors.InputError(
                f"--peers={python}: {found['error']}. It needs torch, torchvision and Pillow"
            )
        return found

    try:
        yield ask
    finally:
        to.close()
        child.wait(60)


def of_policy(
    ask: Ask, chosen: Policy | Mixture, images, *, repeat: int = 5
) -> tuple[Times, dict[str, float]]:
    """Images in a processor second under a policy: `apply_policy` on all of them, and the
    same steps, drawn before, image by image with Pillow, with torchvision v2 on images of
    Pillow and on tensors.

    Args:
      images: `[n, h, w, 3]` uint8.

    Returns:
      Rates by whom (`ours pillow torchvision tensors`), and by whom the share of pixels that
      differ from ours.
    """
    key = jax.random.key(0)
    new = np.asarray(policy.apply_policy(chosen, images, key))  # compiled
    size = images.shape[2:0:-1]
    steps = replay.steps(chosen, replay.keys(key, len(images)), [size])
    rates: Times = {name: [] for name in ("ours", "pillow", "torchvision", "tensors")}
    differing = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "images.npz"
        np.savez(path, images=images, new=new, steps=np.asarray(json.dumps(steps)))
        ask("load", file=standalone.__file__, path=str(path))
    for turn in range(repeat + 1):  # the first warms up
        seconds = {"ours": _seconds(lambda: policy.apply_policy(chosen, images, key))}
        for name in ("pillow", "torchvision", "tensors"):
            found = ask("images", by=name)
            seconds[name], differing[name] = found["seconds"], found["differing"]
        for name, value in seconds.items():
            rates[name] += [len(images) / value] * (turn > 0)
    return rates, differing


def of_operations(
    images, *, repeat: int = 5, only: tuple[str, ...] = space.NAMES
) -> dict[str, Times]:
    """Images in a processor second of each operation: ours on all images, and Pillow image
    by image, at the same levels, which go round. All pixels are compared.

    Args:
      images: `[n, h, w, 3]` uint8; the larger n, the less a call costs.

    Raises:
      ValueError: a pixel differs.
    """
    return {op: _of_operation(op, images, repeat) for op in only}


def _of_operation(op: str, images, repeat: int) -> Times:
    levels = tuple(x for x in space.space() if x.op == op)
    which = np.arange(len(images))[:, None] % len(levels)
    numbers = tables.of(levels, *images.shape[1:3])
    keys = replay.keys(jax.random.key(0), len(images))
    words = np.asarray(jax.vmap(applying.words_of)(keys))[:, 0].tolist()
    run = jax.jit(lambda x: applying.apply_all(numbers, x, which, keys))
    image = pillow()[0]
    opened = [image.fromarray(x) for x in images]
    steps = []
    for (level,), word in zip(which, words, strict=True):
        value = levels[level].value
        where = standalone.place(op, value, images.shape[2:0:-1], word)
        steps.append((value, where))
    act = standalone.OPERATIONS[op]

    def by_pillow():
        return [act(x, *step) for x, step in zip(opened, steps, strict=True)]

    if not np.array_equal(run(images), np.stack([np.asarray(x) for x in by_pillow()])):
        raise ValueError(f"{op}: pixels differ from Pillow's")
    placed = jax.device_put(images)
    rates: Times = {"ours": [], "pillow": []}
    for _ in range(repeat):
        rates["ours"].append(len(images) / _seconds(lambda: run(placed)))
        rates["pillow"].append(len(images) / _seconds(by_pillow))
    return rates


def means(rates: dict[str, Times]) -> dict[str, tuple[float, float]]:
    """Over operations, by whom: the mean of rates, and the rate of equally many of each."""
    found = {}
    for name in next(iter(rates.values())):
        middle = [float(np.median(x[name])) for x in rates.values()]
        found[name] = float(np.mean(middle)), len(middle) / sum(1 / x for x in middle)
    return found


def told(rates: list[float]) -> str:
    """Median and spread, such as `17,200 (16,900 to 17,400)`."""
    return f"{np.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def _seconds(act) -> float:
    """Processor seconds of a call, waited for."""
    began = time.process_time()
    jax.block_until_ready(act())
    return time.process_time() - began
