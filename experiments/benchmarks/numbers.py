"""How a benchmark hands its numbers to `experiments.benchmarks`, besides printing."""

import json
import time
from collections.abc import Iterable
from typing import NamedTuple

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


def write(found: Iterable[Number]) -> None:
    """Append numbers with where they come from, if a file is wanted."""
    if "numbers" not in FLAGS or not FLAGS.numbers:
        return
    made = {"device": origin.device(), "commit": origin.commit()}
    made["date"] = time.strftime("%Y-%m-%d")
    with open(FLAGS.numbers, "a", encoding="utf-8") as file:
        for number in found:
            file.write(json.dumps(number._asdict() | made) + "\n")
