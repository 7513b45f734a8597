"""Benchmark of GRDA, on sizes that take no time."""

import numpy as np

from experiments.grda import benchmark
from iclr22 import data


def test_grda_times_every_method():
    found = data.generate_domains(np.random.default_rng(0), 4, 12, sources=2)
    times = benchmark.measure("own", found, hidden=8, repeat=1)
    expected = {f"own {x}" for x in ("source_only", "grda", "dann", "grda_plus")}
    assert set(times) == expected and all(value > 0 for value in times.values())
