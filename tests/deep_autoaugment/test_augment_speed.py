"""Rates of augmentation: both sides make the same pixels, and what is told of them."""

import sys

import numpy as np
import pytest
from image_helpers import pictures

from experiments.deep_autoaugment import speed
from iclr22 import errors
from iclr22.deep_autoaugment import space
from iclr22.deep_autoaugment.policy import Entry, Policy


def test_rates_of_operations_and_their_means():
    found = speed.of_operations(
        pictures(8, 20, 20), repeat=2, only=("solarize", "cutout")
    )
    assert set(found) == {"solarize", "cutout"}
    for rates in found.values():
        assert all(len(x) == 2 and min(x) > 0 for x in rates.values())
    rates = {"a": {"ours": [2.0, 6.0, 4.0]}, "b": {"ours": [12.0]}}
    assert speed.means(rates) == {"ours": (8.0, 6.0)}  # 2 of 1/4 s and 1/12 s
    assert speed.told([3000.0, 1000.0, 1500.4]) == "1,500 (1,000 to 3,000)"


def test_other_pixels_are_told(monkeypatch):
    monkeypatch.setitem(
        speed.standalone.OPERATIONS, "solarize", lambda x, value, where: x
    )
    with pytest.raises(ValueError, match="solarize: pixels differ"):
        speed.of_operations(pictures(8, 20, 20), repeat=1, only=("solarize",))


def test_an_interpreter_without_a_peer_is_refused(tmp_path):
    with speed.asking(sys.executable) as ask:
        with pytest.raises(
            errors.InputError, match="--peers=.*FileNotFoundError|No module"
        ):
            ask("load", file=str(tmp_path / "none.py"), path="none.npz")


@pytest.mark.slow
def test_torchvision_has_the_pixels_on_images_of_pillow():
    pytest.importorskip("torchvision")
    uniform = tuple(Entry(*x, 1 / 139) for x in space.space())
    with speed.asking(sys.executable) as ask:
        made = Policy((uniform, uniform))
        rates, differing = speed.of_policy(ask, made, pictures(150, 32, 32), repeat=2)
        network = ask("network", depth=10, widen=1, batch=2, size=8, repeat=1)
    assert {len(x) for x in rates.values()} == {2}
    assert differing["pillow"] == differing["torchvision"] == 0 < differing["tensors"]
    assert network["parameters"] == 78186 and np.isfinite(list(network.values())).all()
