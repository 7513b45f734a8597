"""How a benchmark hands its numbers to `experiments.benchmarks`, besides printing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from absl import flags

from experiments import origin

flags.disclaim_key_flags()  # they belong to the benchmark
FLAGS = flags.FLAGS


class Number(NamedTuple):
    """One measured number."""

    what: str
    value: float
    unit: str
    size: str = ""  # such as 4x, or n=5000


def define_flags() -> None:
    """The flag that names the file."""
    flags.DEFINE_string("numbers", "", "also append the numbers to this file, as JSON")


def began(scale: Callable[[int], Mapping[str, float]]) -> bool:
    """Whether a benchmark is to go on; a process of its own has printed what `scale` of its
    number is, and is at its end."""
    if FLAGS.one_core:
        on_one_core()
    if FLAGS.child:
        print(json.dumps(scale(FLAGS.child)))
        return False
    print(f"{origin.device()}{', one used' * FLAGS.one_core}; processor time")
    return True


def write(found: Iterable[Number]) -> None:
    """Append numbers with where they come from, if a file is wanted."""
    if "numbers" not in FLAGS or not FLAGS.numbers:
        return
    made = {"device": origin.device(), "commit": origin.commit()}
    made["date"] = time.strftime("%Y-%m-%d")
    with open(FLAGS.numbers, "a", encoding="utf-8") as file:
        for number in found:
            file.write(json.dumps(number._asdict() | made) + "\n")


def on_one_core() -> None:
    """Leave this process one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def told(what, value, unit, size="", beside=None, whose="PyTorch") -> list[Number]:
    """A line for people; the number, and that of another with how much more it takes."""
    line = f"{what:34s} {size:34s} {value:10.3f} {unit}"
    found = [Number(what, value, unit, size)]
    if beside is not None:
        ratio = beside / value
        line += f"   {whose} {beside:9.3f}, {ratio:.2f} of ours"
        found.append(Number(f"{what}, {whose}", beside, unit, size))
        found.append(Number(f"{what}, {whose} over ours", ratio, "", size))
    print(line, flush=True)
    return found


def in_child(module: str, *arguments: str, python: str = sys.executable, **options):
    """The dict of numbers that a module prints last, in a process of its own.

    Args:
      options: of `subprocess.run`.
    """
    done = subprocess.run(
        [python, "-m", module, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    return json.loads(done.stdout.splitlines()[-1])


def growth(
    factors: Sequence[int], values: Sequence[Mapping[str, float]]
) -> list[Number]:
    """Exponents of growth of each number with the factor; none of a single one."""
    found = []
    for name in values[0] if len(factors) > 1 else ():
        logs = np.log([max(x[name], 1e-3) for x in values])
        exponent = float(np.polyfit(np.log(factors), logs, 1)[0])
        found += told(name, exponent, "", "exponent of growth")
    return found
