"""Benchmarks of Cold Brew, on sizes that take no time."""

import helpers
import numpy as np

from experiments.cold_brew import benchmark
from iclr22 import data


def test_cold_brew_times_every_model():
    found = data.degree_corrected_sbm(np.random.default_rng(0), 80)
    times = benchmark.measure(found, "own", repeat=1)
    assert set(times) == {"gcn", "teacher", "sage", "mlp", "mlp1", "mlp2", "top_k"}
    assert all(value > 0 for value in times.values())


def test_cold_brew_scales_and_says_what_failed():
    module = ("-m", "experiments.cold_brew.benchmark", "--scale", "--repeat=1")
    out, _ = helpers.finish(helpers.start(*module, "--graphs=80,citeser"))
    table = [[x.strip() for x in line.split("|")[1:-1]] for line in out.splitlines()]
    assert table[2][:2] == ["drawn", "80"] and len(table) == 4
    assert all(float(x.replace(",", "")) > 0 for x in table[2][1:])
    assert table[3][0] == "citeser" and "failed" in table[3][1]
