"""Scenes like those of 3D Shapes: rays, layers of the grid, and where things stand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.in_domain import numpy_renderers
from iclr22 import errors, parallel
from iclr22.data.factors import renderers, shapes3d

pytestmark = pytest.mark.eight_devices

SIZES = (10, 10, 10, 8, 4, 15)
MIDDLE = 7  # number of the azimuth that looks straight at a wall
FOCAL = 68.62


def some(count, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, SIZES, (count, 6)).astype(np.int32)


def parts(size, shape, azimuth):
    """Shades of floor, wall, object and sky, `[4, 64, 64]`."""
    place = np.ravel_multi_index((size, shape, azimuth), shapes3d.LAYERS)
    return shapes3d.bank(64)[place].astype(np.float32)


def test_rays_meet_what_they_meet_in_double_precision():
    factors = np.concatenate([some(12), some(12, seed=1) + 0.0])
    factors[12:] += [0.3, 0.2, 0.9, 0.4, 0, 0.5]
    factors = np.minimum(factors, np.array(SIZES) - 1)
    wanted = np.stack([numpy_renderers.scene(x) for x in factors])
    found = renderers.draw("shapes3d_like", 64, factors)
    off = np.abs(found - wanted).max(axis=-1)
    assert (off > 0.01 / 255).sum() <= 4  # a ray that grazes an edge may miss it


def test_blended_layers_are_what_rays_see():
    factors = some(100)
    rays = np.asarray(jax.jit(shapes3d.cast)(factors))
    blended = renderers.draw("shapes3d_like", 64, factors)
    assert np.abs(blended - rays).max() < 0.1 / 255
    levels = renderers.render_shapes3d(factors)
    assert levels.dtype == np.uint8 and levels.shape == (100, 64, 64, 3)
    assert np.abs(levels - np.rint(255 * rays)).max() <= 1
    blocks = rays.reshape(100, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    half = renderers.draw("shapes3d_like", 32, factors)
    np.testing.assert_allclose(half, blocks, atol=0.2 / 255)


def test_every_pixel_is_of_floor_wall_object_and_sky():
    bank = shapes3d.bank(64)
    assert bank.shape == (480, 4, 64, 64) and bank.dtype == np.float16
    assert bank.min() == 0 and bank.max() <= 1
    assert (bank[:, 3, 33:] == 0).all() and (bank[:, 0, :32] == 0).all()  # the horizon
    assert (bank[:, 3, 0] == 1).all()


def test_straight_ahead_walls_begin_and_end_where_perspective_puts_them():
    floor, wall, _, sky = parts(0, 2, MIDDLE)[:, :, 5]
    far = shapes3d.DISTANCE + shapes3d.ROOM
    top = 32 - FOCAL * (shapes3d.WALL - shapes3d.EYE) / far
    base = 32 + FOCAL * shapes3d.EYE / far
    assert (sky == 1).sum() == int(top) and (floor > 0).sum() == 64 - int(base)
    assert (wall[int(top) + 1 : int(base)] == wall[30]).all()
    assert wall[30] == pytest.approx(0.45 + 0.75 * 0.75 / np.sqrt(1.765), abs=1e-3)


def test_corner_of_the_room_at_the_last_azimuth():
    wall = parts(0, 2, 14)[1, 28]  # a row above the object
    turn = np.radians(30)
    x = -shapes3d.ROOM - shapes3d.DISTANCE * np.sin(turn)
    y = shapes3d.ROOM + shapes3d.DISTANCE * np.cos(turn)
    ahead, aside = (
        y * np.cos(turn) - x * np.sin(turn),
        x * np.cos(turn) + y * np.sin(turn),
    )
    column = 32 + FOCAL * aside / ahead
    edge = np.abs(np.diff(wall))[: int(column) + 3].argmax()
    assert abs(edge + 1 - column) < 0.8


@pytest.mark.parametrize(("size", "width"), [(0, 0.75), (7, 1.25)])
@pytest.mark.parametrize("shape", ["cube", "cylinder", "sphere", "capsule"])
def test_silhouettes_are_as_wide_and_high_as_perspective_makes_them(shape, size, width):
    seen = parts(size, renderers.SHAPES3D.factors[4].values.index(shape), MIDDLE)[2] > 0
    radius = (0.4 if shape == "capsule" else 0.5) * width
    if shape == "cube":
        half = radius / (shapes3d.DISTANCE - radius)
    else:
        half = np.tan(np.arcsin(radius / shapes3d.DISTANCE))
    columns = np.flatnonzero(seen.any(axis=0))
    assert columns[-1] + 1 - columns[0] == pytest.approx(2 * FOCAL * half, abs=2)
    assert columns[0] + columns[-1] == 63
    if shape in ("sphere", "capsule"):
        height = (1.3 if shape == "capsule" else 0.5) * width - shapes3d.EYE
        up = np.arctan(height / shapes3d.DISTANCE)
        up += np.arcsin(radius / np.hypot(height, shapes3d.DISTANCE))
        top = 32 - FOCAL * np.tan(up)
    else:
        height, near = width - shapes3d.EYE, shapes3d.DISTANCE - radius
        far = shapes3d.DISTANCE + radius
        top = 32 - FOCAL * max(height / near, height / far)
    assert np.flatnonzero(seen.any(axis=1))[0] == pytest.approx(top, abs=1)


def test_shadows_lie_on_the_floor_away_from_the_light():
    floor = parts(7, 0, MIDDLE)[0, 42:]  # below the edge of the wall
    rows, columns = np.nonzero((floor > 0) & (floor < 0.4))
    assert len(rows) > 20 and columns.min() > 40 and rows.max() < 20


@pytest.mark.parametrize(
    ("hue", "colour"),
    [(0, (255, 0, 0)), (4, (0, 255, 102)), (9, (255, 0, 153)), (3, (51, 255, 0))],
)
def test_colours_of_hues(hue, colour):
    found = np.asarray(shapes3d.colours(jnp.float32(hue / 10)))
    np.testing.assert_allclose(255 * found, colour, atol=1e-3)
    sky = renderers.render_shapes3d([[hue, hue, hue, 0, 0, 0]])[0, 0, 0]
    assert sky.tolist() == [155, 226, 250]


@pytest.mark.parametrize("name", ["shapes3d_like", "mini_dsprites"])
def test_images_of_a_step_do_not_depend_on_how_it_is_compiled(name):
    if name == "shapes3d_like":
        shapes3d.bank.cache_clear()  # made while the step is traced
    sizes = renderers.RENDERERS[name].grid.sizes
    numbers = np.random.default_rng(0).integers(0, sizes, (16, len(sizes)), np.int32)

    def images(x):
        return renderers.rendered(name, 16, x)

    alone = np.asarray(jax.jit(images)(numbers))
    np.testing.assert_array_equal(alone, renderers.draw(name, 16, numbers))
    mapped = jax.pmap(images)(numbers.reshape(8, 2, -1))
    np.testing.assert_array_equal(np.asarray(mapped).reshape(alone.shape), alone)
    divided = jax.jit(images)(parallel.shard(parallel.devices(), numbers))
    np.testing.assert_array_equal(divided, alone)
    _, scanned = jax.jit(
        lambda x: jax.lax.scan(lambda _, row: (None, images(row)), None, x)
    )(numbers.reshape(4, 4, -1))
    np.testing.assert_array_equal(np.asarray(scanned).reshape(alone.shape), alone)


@pytest.mark.parametrize("name", ["shapes3d_like", "dsprites"])
def test_images_are_the_same_where_x64_is_on(name):
    sizes = renderers.RENDERERS[name].grid.sizes
    numbers = np.random.default_rng(0).integers(0, sizes, (9, len(sizes)))
    narrow = renderers.draw(name, 64, numbers)
    with jax.enable_x64(True):
        wide = renderers.draw(name, 64, numbers)
        assert jax.eval_shape(shapes3d.shades, np.zeros((2, 3))).dtype == np.float32
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, narrow)


def test_shapes_between_shapes_are_refused():
    with pytest.raises(errors.InputError, match="whole numbers from 0 to 3 for shape"):
        renderers.render_shapes3d([[0, 0, 0, 0, 1.5, 0]])
