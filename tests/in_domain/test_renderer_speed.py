"""Speeds of the renderers beside NumPy."""

from experiments.in_domain import speed
from iclr22.data.factors import renderers


def test_rates_are_images_in_a_processor_second_by_turn(monkeypatch):
    monkeypatch.setattr(renderers, "CHUNK", 8)
    for found, names in (
        (speed.of_dsprites(count=8, repeat=2), {"ours", "numpy", "single"}),
        (speed.of_shapes3d(count=8, repeat=2), {"ours", "between", "numpy"}),
    ):
        assert found.keys() == names
        assert all(len(rates) == 2 and min(rates) > 0 for rates in found.values())
