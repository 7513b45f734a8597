"""What the soft-argmax network reads: places, masses, hues, and what hues do not change."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np

from iclr22.in_domain import regressor
from iclr22.in_domain.networks import soft_argmax


def spot(row, column, side=16, height=60.0):
    """A map that is high at one pixel."""
    x = np.zeros((1, side, side, 1), np.float32)
    x[0, row, column] = height
    return x


def test_the_expected_place_of_one_high_pixel_is_its_own():
    found = soft_argmax.expected_places(spot(3, 12))[0]
    expected = np.linspace(-1, 1, 16)[[12, 3]]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_expected_places_move_along_with_a_map_by_equal_steps():
    maps = [spot(5, column) for column in range(2, 14)]
    across = soft_argmax.expected_places(jnp.concatenate(maps))[:, 0]
    np.testing.assert_allclose(np.diff(across), 2 / 15, atol=1e-5)


def test_spreads_are_deviations_of_places():
    x = np.zeros((1, 16, 16, 1), np.float32)
    x[0, 8, [2, 12]] = 60
    across, down = soft_argmax.spreads(x)[0]
    np.testing.assert_allclose(across, 10 / 15, rtol=1e-3)
    np.testing.assert_allclose(down, 0.01, rtol=1e-2)


def test_roots_of_masses_are_lengths():
    x = np.zeros((2, 32, 32, 1), np.float32)
    x[0, 8:12, 8:12] = x[1, 8:16, 8:16] = 1
    x[:, :4] = -5  # what is below 0 has no mass
    small, large = soft_argmax.roots(x)[:, 0]
    np.testing.assert_allclose(large / small, 2, rtol=2e-2)
    np.testing.assert_allclose(large, np.sqrt(64 / 1024 + 1e-4), rtol=1e-5)


def test_hues_are_those_of_colorsys_of_bright_and_of_dark_colours():
    turns = np.arange(10) / 10
    for value in (1.0, 0.4):
        colours = [colorsys.hsv_to_rgb(x, 1, value) for x in turns]
        found = soft_argmax.hue(jnp.array(colours))
        np.testing.assert_allclose(found, turns, atol=4e-3)


def test_hues_change_neither_brightness_nor_edges_of_one_surface():
    def image(turn):
        shade = np.linspace(0.3, 1, 8, dtype=np.float32)[None, :, None, None]
        return shade * np.array(colorsys.hsv_to_rgb(turn, 1, 1), np.float32)

    first, other = image(0.0), image(1 / 3)
    for what in (soft_argmax.brightness, soft_argmax.edges):
        np.testing.assert_allclose(what(first), what(other), atol=2e-2)


def test_a_hue_that_was_never_seen_is_read_by_the_same_line():
    """All weights are as they begin: the mean hue of a picture of one colour is its hue."""
    network = soft_argmax.SoftArgmax(2, hues=(1,))
    pictures = [
        np.broadcast_to(np.array(colorsys.hsv_to_rgb(x, 1, 1)), (16, 16, 3))
        for x in (0.1, 0.8)
    ]
    x = jnp.array(pictures, jnp.float32)
    variables = network.init(jax.random.key(0), x[:1])
    found, features = network.apply(variables, x)
    np.testing.assert_allclose(found[:, 1], [0.1, 0.8], atol=4e-3)
    np.testing.assert_allclose(features[:, -1], found[:, 1])


def test_positions_alone_are_linear_in_places():
    """Weights of masses have no part in them."""
    network = soft_argmax.SoftArgmax(3, positions=(0, 2))
    x = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1))
    params = network.init(jax.random.key(0), x)["params"]
    before, features = network.apply({"params": params}, x)
    bias = params["experts"]["lines"]["bias"]
    params["experts"]["lines"]["bias"] = bias + 1
    after, _ = network.apply({"params": params}, x)
    np.testing.assert_allclose(after - before, [[0, 1, 0]] * 4, atol=1e-5)
    places = features[:, : 2 * soft_argmax.MAPS]
    dense = params["places"]
    linear = places @ dense["kernel"] + dense["bias"]
    np.testing.assert_allclose(before[:, [0, 2]], linear[:, [0, 2]], atol=1e-5)


def test_the_stage_has_so_many_parameters():
    config = regressor.Config("soft_argmax", outputs=4, positions=(2, 3))
    batch = {"x": np.zeros((1, 32, 32, 1), np.uint8)}
    params = regressor.init(config, jax.random.key(0), batch).params
    count = sum(x.size for x in jax.tree.leaves(params["weights"]))
    assert count == 8856
