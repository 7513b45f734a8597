"""Benchmark of trajectory Shapley, on sizes that take no time."""

from track_helpers import random_params

from experiments.trajectory_shapley import benchmark
from iclr22.trajectory_shapley import pecnet, trajectron
from iclr22.trajectory_shapley.windows import to_batch

CONFIG = trajectron.Config(modes=2, decoder=8, hidden=8, attention=4, samples=2)


def test_exact_values_are_timed_at_three_sizes_and_one_by_one(monkeypatch):
    monkeypatch.setattr(benchmark, "PLAYERS", 3)
    windows = benchmark.drawn_windows(16, 2)
    params = random_params(trajectron, CONFIG, to_batch(windows))
    predictor = trajectron.predictor(CONFIG, params)
    sizes = benchmark._sizes(predictor, windows)
    assert [row[:2] for row in sizes] == [(1, 8), (4, 32), (16, 128)]
    assert all(seconds > 0 and peak > 0 for *_, seconds, peak in sizes)
    assert benchmark._one_in_game(predictor, windows) > 0
    assert benchmark.one_by_one(CONFIG, params, windows, 2) > 0


def test_problems_of_weak_scaling_have_fields_of_their_stages():
    stages = {"trajectron": trajectron, "pecnet": pecnet}
    assert set(benchmark.SCALING) == {f"trajectory_shapley.{name}" for name in stages}
    for name, (_, wider) in benchmark.SCALING.items():
        assert set(wider) <= set(stages[name.partition(".")[2]].Config._fields)
