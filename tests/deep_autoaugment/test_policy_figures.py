"""Figures of policies: what they draw, and that they are drawn."""

import numpy as np
import PIL.Image
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import figures, space
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy

FIRST = (
    Entry("shear_x", 0, -0.3, 0.25),
    Entry("shear_x", 12, 0.3, 0.125),
    Entry("solarize", 3, 64.0, 0.625),
)
POLICY = Policy((FIRST, (Entry("flip", 6, 0.0, 1.0),)))
MIXTURE = Mixture(
    (POLICY, Policy((FIRST[:0] + (Entry("flip", 6, 0.0, 1.0),),))), (0.75, 0.25)
)


@pytest.fixture
def drawn(monkeypatch):
    """Axes of a figure as they are when it is closed."""
    from matplotlib import pyplot

    kept = []
    monkeypatch.setattr(pyplot, "close", kept.append)
    yield kept
    monkeypatch.undo()
    pyplot.close("all")


def test_masses_of_policies_and_mixtures():
    assert figures.masses(POLICY) == [
        {"shear_x": 0.375, "solarize": 0.625},
        {"flip": 1.0},
    ]
    found = figures.masses(MIXTURE)
    assert found[0] == {"shear_x": 0.28125, "solarize": 0.46875, "flip": 0.25}
    assert found[1] == {"flip": 0.75, "identity": 0.25}


def test_layers_are_bars_that_reach_one(tmp_path, drawn):
    figures.layers(tmp_path / "a.png", MIXTURE, "costs $5 and $6")
    (axis,) = drawn[0].axes
    tops = [x.get_y() + x.get_height() for x in axis.patches if x.get_height()]
    assert max(tops) == pytest.approx(1) and axis.get_title() == "costs $5 and $6"
    heights = sorted(x.get_height() for x in axis.patches if x.get_x() < 1)
    np.testing.assert_allclose([x for x in heights if x], [0.25, 0.28125, 0.46875])
    assert len({*figures._colours().values()}) == len(space.KNOWN)
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_magnitudes_are_histograms_of_levels(tmp_path, drawn):
    figures.magnitudes(tmp_path / "a.png", POLICY)
    shear, solarize = (x for x in drawn[0].axes if x.get_title())
    assert shear.get_title() == "shear_x  37.5%"
    heights = [x.get_height() for x in shear.patches]
    assert heights == [0.25, *[0.0] * 11, 0.125]
    assert [x.get_text() for x in shear.get_xticklabels()] == ["-0.3", "0.3"]
    assert [x.get_height() for x in solarize.patches][3] == 0.625
    fine = Policy(((Entry("shear_x", 30, 0.3, 1.0),),))
    figures.magnitudes(tmp_path / "fine.png", fine)
    assert len(drawn[1].axes[0].patches) == 31
    figures.magnitudes(tmp_path / "none.png", POLICY, 1)
    with pytest.raises(errors.InputError, match="from 0 to 1; found 2"):
        figures.magnitudes(tmp_path / "b.png", POLICY, 2)


def test_cosines_by_step_or_pairs(tmp_path, drawn):
    values = np.linspace(0.1, 0.9, 21)
    pairs = list(zip(range(0, 210, 10), values, strict=True))
    figures.cosines(tmp_path / "a.png", {"layer 1": values, "layer 2": pairs})
    first, mean, second, other = drawn[0].axes[0].lines
    np.testing.assert_array_equal(first.get_xdata(), range(1, 22))
    np.testing.assert_array_equal(second.get_xdata(), range(0, 210, 10))
    np.testing.assert_allclose(mean.get_ydata(), values[2:-2])  # of a straight line
    np.testing.assert_allclose(other.get_xdata(), range(20, 190, 10))


def test_held_out_bars(tmp_path, drawn):
    figures.held_out(
        tmp_path / "a.png", {"learned": (0.8, 0.1), "control": (-0.1, np.nan)}
    )
    widths = [x.get_width() for x in drawn[0].axes[0].patches]
    assert widths == [-0.1, 0.8]
    assert [x.get_text() for x in drawn[0].axes[0].get_yticklabels()] == [
        "control",
        "learned",
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_contact_sheets_hold_the_pixels(tmp_path, channels):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 5, 7, channels)).astype(np.uint8)
    draws = random.integers(0, 256, (2, 3, 5, 7, channels)).astype(np.uint8)
    figures.contact_sheet(tmp_path / "a.png", images, draws, ["$a$", "b"])
    whole = figures._mosaic(np.concatenate([images[:, None], draws], axis=1))
    np.testing.assert_array_equal(
        whole[7:12, :7], np.broadcast_to(images[1], (5, 7, 3))
    )
    expected = np.broadcast_to(draws[1, 2], (5, 7, 3))
    np.testing.assert_array_equal(whole[7:12, 29:36], expected)
    assert (whole[5:7] == 255).all()
    assert PIL.Image.open(tmp_path / "a.png").width > 200
    with pytest.raises(errors.InputError, match=r"found \[2, 5, 7, .*\] and \[2, 5, 7"):
        figures.contact_sheet(tmp_path / "b.png", images, images)
