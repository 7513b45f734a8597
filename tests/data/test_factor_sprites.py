"""dSprites, drawn: beside genuine images, and between the values of the grid."""

import jax
import numpy as np
import pytest

from experiments.in_domain import numpy_renderers
from iclr22 import errors
from iclr22.data.factors import dsprites, renderers

COUNTS = {  # pixels of the genuine upright sprites by scale; the formula gives 142
    0: (100, 144, 196, 256, 324, 400),
    1: (76, 104, 144, 184, 228, 288),
    2: (58, 84, 108, 142, 182, 222),
}


def some(count, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, renderers.RENDERERS["dsprites"].grid.sizes, (count, 5))


def test_genuine_images_are_met_but_for_single_pixels(shared):
    frames = np.load(shared / "data/images/dsprites_reference_frames.npz")
    drawn = renderers.render_dsprites(frames["latents_classes"])
    wrong = (drawn != frames["imgs"]).sum(axis=(1, 2))
    assert wrong.max() <= 4 and wrong.sum() <= 100
    assert drawn.shape == (320, 64, 64) and drawn.dtype == np.uint8


def test_pixel_counts_of_upright_sprites():
    factors = [[shape, scale, 0, 0, 0] for shape in range(3) for scale in range(6)]
    counts = renderers.render_dsprites(factors).sum(axis=(1, 2)).reshape(3, 6)
    assert counts.tolist() == [list(COUNTS[shape]) for shape in range(3)]


def test_sprites_are_those_of_the_formulas_in_double_precision():
    factors = some(200)
    wanted = numpy_renderers.sprites(factors)
    assert (renderers.render_dsprites(factors) != wanted).sum() <= 2
    between = factors[:40] + np.array([0, 0.25, 0.3, 0.6, 0.1])
    between = np.minimum(between, np.array([2, 5, 39, 31, 31]))
    wanted = numpy_renderers.sprites(between)
    assert (renderers.render_dsprites(between) != wanted).sum() <= 2


def test_last_orientation_is_the_first():
    factors = some(300, seed=1)
    first, last = factors.copy(), factors.copy()
    first[:, 2], last[:, 2] = 0, 39
    drawn = renderers.render_dsprites(first)
    np.testing.assert_array_equal(renderers.render_dsprites(last), drawn)


def test_smaller_sides_are_means_of_blocks_and_rows_do_not_depend_on_others():
    factors = some(renderers.CHUNK + 3)
    whole = renderers.draw("dsprites", 64, factors)
    blocks = whole.reshape(-1, 32, 2, 32, 2, 1).mean(axis=(2, 4))
    np.testing.assert_array_equal(renderers.draw("dsprites", 32, factors), blocks)
    alone = renderers.draw("dsprites", 64, factors[-1:])
    np.testing.assert_array_equal(alone, whole[-1:])
    assert renderers.draw("dsprites", 32, np.zeros((0, 5))).shape == (0, 32, 32, 1)


def test_mini_sprites_are_upright_sprites():
    factors = some(50)
    factors[:, 2] = 0
    mini = renderers.draw("mini_dsprites", 32, np.delete(factors, 2, axis=1))
    np.testing.assert_array_equal(mini, renderers.draw("dsprites", 32, factors))


def test_no_slow_cube_root_is_computed():
    traced = jax.make_jaxpr(dsprites.draw)(some(2).astype(np.int32))
    assert "cbrt" not in str(traced)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (
            [[0, 0, 0, 0]],
            "expected 5 columns, shape, scale, orientation, x, y; found 4",
        ),
        ([[0, 6, 0, 0, 0]], "from 0 to 5 for scale; found 6 in row 0"),
        ([[0, 0, 0, 0, 0], [0, 0, 0, -1, 0]], "from 0 to 31 for x; found -1 in row 1"),
        ([[0.5, 0, 0, 0, 0]], "whole numbers from 0 to 2 for shape; found 0.5"),
        ([[0, 0, np.nan, 0, 0]], "non-finite"),
        ([["heart", 0, 0, 0, 0]], "real numbers"),
    ],
)
def test_numbers_outside_the_grid_are_refused(factors, message):
    with pytest.raises(errors.InputError, match=message):
        renderers.render_dsprites(factors)


def test_unknown_renderers_and_sides_are_refused():
    with pytest.raises(errors.InputError, match="'mini_dsprites'"):
        renderers.draw("mini_sprites", 32, [[0, 0, 0, 0]])
    with pytest.raises(errors.InputError, match="found side=48"):
        renderers.draw("mini_dsprites", 48, [[0, 0, 0, 0]])
