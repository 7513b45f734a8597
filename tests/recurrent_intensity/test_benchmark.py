"""Benchmark of recurrent intensity, on sizes that take no time."""

import pytest

from experiments.recurrent_intensity import benchmark


@pytest.mark.slow
def test_recurrent_intensity_times_every_part():
    times = benchmark.measure(scale=0.002, repeat=1)
    expected = {"gru epoch", "transformer epoch", "online prices", "hawkes fit"}
    assert set(times) == expected | {"audiences"}
    assert all(wall > 0 for wall, _ in times.values())
