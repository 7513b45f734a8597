"""Scenes like those of 3D Shapes, drawn from their factors.

An object stands in the middle of a square room, seen from a camera that turns around it. The
geometry was fitted to genuine images of the data set (C. Burgess and H. Kim, 2018); walls
lack its faint texture. Rays are cast at 2 x 2 points of every pixel.

A pixel is a mean of shades of floor, wall, object and sky, each times a colour. The hues have
no part in the shades, so the 480 combinations of size, shape and azimuth are cast once
(`bank`), and images of the grid are blended from them.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

SIDE = 64
POINTS = 2 * SIDE  # rays of a side of an image
ROOM = 4.97  # half a side of the floor
WALL = 2.83  # height
DISTANCE, EYE = 3.48, 1.04  # of the camera from the middle, and above the floor
FOCAL = SIDE / 2 / math.tan(math.radians(25))  # pixels; 50 degrees from top to bottom
SKY = (155 / 255, 226 / 255, 250 / 255)
LIGHT = tuple(x / math.hypot(0.45, 0.75, 1) for x in (-0.45, -0.75, 1.0))  # to it
LAMP = (-2.0, -4.0)  # where the floor is brightest
SHADOW = 0.33
SIZES = (0.75, 0.5 / 7)  # the first, and from one to the next
TURNS = (-30.0, 60 / 14)  # degrees of azimuth, the same
FAR = 1e9
TINY = 1e-9
LAYERS = (8, 4, 15)  # of the bank: sizes, shapes, azimuths


def cast(numbers) -> jax.Array:
    """Images by rays, float32 `[n, 64, 64, 3]` from 0 to 1; traced.

    Args:
      numbers: grid numbers `[n, 6]` of the hues of floor, wall and object, size, shape
        (cube, cylinder, sphere, capsule) and azimuth; all but the shape may lie between
        whole numbers.
    """
    numbers = jnp.asarray(numbers, jnp.float32)
    return _mixed(shades(numbers[:, 3:]), numbers)


def blend(layers, numbers) -> jax.Array:
    """Images of points of the grid, float32 `[n, side, side, 3]` from 0 to 1; traced.

    Args:
      layers: of `bank`.
      numbers: int32 `[n, 6]`.
    """
    place = jnp.ravel_multi_index(tuple(numbers[:, 3:].T), LAYERS, mode="clip")
    return _mixed(jnp.asarray(layers)[place].astype(jnp.float32), numbers)


def _mixed(shade, numbers):
    """Shades `[n, 4, side, side]` times the colours of floor, wall, object and sky."""
    hues = colours(jnp.asarray(numbers[:, :3], jnp.float32) / 10)
    sky = jnp.broadcast_to(jnp.array(SKY, jnp.float32), (len(numbers), 1, 3))
    colour = jnp.concatenate([hues, sky], axis=1)[:, :, None, None, :]
    # A product of matrices so small takes half as long again.
    parts = (shade[:, k, :, :, None] * colour[:, k] for k in range(shade.shape[1]))
    return functools.reduce(jnp.add, parts)


def colours(hue) -> jax.Array:
    """Bright, saturated colours `[..., 3]` of hues from 0 to 1."""
    sixth = 6 * jnp.asarray(hue, jnp.float32)[..., None]
    return jnp.clip(
        jnp.abs((sixth + jnp.array((0, 4, 2), jnp.float32)) % 6 - 3) - 1, 0, 1
    )


def shades(numbers) -> jax.Array:
    """Shades of floor, wall, object and sky, means over pixels, `[n, 4, 64, 64]`; traced.

    Args:
      numbers: grid numbers `[n, 3]` of size, shape and azimuth.
    """
    # One scene at a time: only its own shape is computed.
    return jax.lax.map(_scene, jnp.asarray(numbers, jnp.float32))


def _scene(numbers):
    """Shades `[4, 64, 64]` of one scene, of numbers of size, shape and azimuth."""
    size = SIZES[0] + SIZES[1] * numbers[0]
    angle = jnp.radians(TURNS[0] + TURNS[1] * numbers[2])
    shape = jnp.round(numbers[1]).astype(jnp.int32)
    eye = DISTANCE * jnp.sin(angle), -DISTANCE * jnp.cos(angle), jnp.float32(EYE)
    ray = _rays(angle)
    wall, lit_wall = _walls(eye, ray)
    near, lit_object = jax.lax.switch(shape, OBJECTS, size, eye, ray)
    floor, bright = _floor(shape, size, eye, ray)
    seen = jnp.minimum(jnp.minimum(floor, wall), near)
    on_floor, on_wall, nothing = seen == floor, seen == wall, seen == FAR
    lit_floor = jnp.where(on_floor & ~nothing, bright, 0)
    lit_wall = jnp.where(on_wall & ~on_floor & ~nothing, lit_wall, 0)
    lit_object = jnp.where(on_floor | on_wall | nothing, 0, lit_object)
    parts = jnp.stack([lit_floor, lit_wall, lit_object, nothing.astype(jnp.float32)])
    return parts.reshape(4, SIDE, 2, SIDE, 2).mean(axis=(2, 4))


def _rays(angle):
    """Directions x and y `[1, 128]`, z `[128, 1]`, one unit forwards each."""
    aside = ((np.arange(POINTS, dtype=np.float32) + 0.5) / 2 - SIDE / 2) / FOCAL
    aside = jnp.asarray(aside, jnp.float32)
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    x, y = _not_zero(cos * aside - sin), _not_zero(sin * aside + cos)
    return x[None, :], y[None, :], -aside[:, None]


def _floor(shape, size, eye, ray):
    """Distances of the floor, `FAR` above the horizon, and how bright it is."""
    down = ray[2][POINTS // 2 :]
    near = -eye[2] / down
    x, y = (eye[i] + near * ray[i] for i in range(2))
    light = tuple(map(jnp.float32, LIGHT))
    hit, _ = jax.lax.switch(shape, OBJECTS, size, (x, y, jnp.zeros_like(x)), light)
    bright = jnp.clip(1.12 - 0.035 * jnp.hypot(x - LAMP[0], y - LAMP[1]), 0.5, 1)
    bright = jnp.where(hit < FAR, SHADOW * bright, bright)
    near = jnp.broadcast_to(near, bright.shape)
    above = jnp.full_like(near, FAR)
    return jnp.concatenate([above, near]), jnp.concatenate([0 * above, bright])


def _walls(eye, ray):
    """Distances of the walls from inside, `FAR` where rays go over them, and shades."""
    ends = [(jnp.sign(ray[i]) * ROOM - eye[i]) / ray[i] for i in range(2)]
    first = ends[0] < ends[1]
    near = jnp.minimum(*ends)
    facing = [-jnp.sign(ray[i]) * LIGHT[i] for i in range(2)]
    height = eye[2] + near * ray[2]
    near = jnp.where((height >= 0) & (height <= WALL), near, FAR)
    return near, _lit(jnp.where(first, facing[0], facing[1]))


# Objects: distances of rays, FAR where they miss it, and shades. Rays start outside.


def _cube(size, start, ray):
    low, high = (-size / 2, -size / 2, 0 * size), (size / 2, size / 2, size)
    enter, leave = zip(
        *(_slab(low[i], high[i], start[i], ray[i]) for i in range(3)), strict=True
    )
    near = jnp.maximum(jnp.maximum(enter[0], enter[1]), enter[2])
    far = jnp.minimum(jnp.minimum(leave[0], leave[1]), leave[2])
    x, y, z = (-jnp.sign(ray[i]) * LIGHT[i] for i in range(3))
    facing = jnp.where(near == enter[0], x, jnp.where(near == enter[1], y, z))
    return _hit(near, far), _lit(facing)


def _cylinder(size, start, ray):
    radius = size / 2
    side, back = _tube(radius, start, ray)
    cap, base = _slab(0 * size, size, start[2], ray[2])
    near, far = jnp.maximum(side, cap), jnp.minimum(back, base)
    x, y = (start[i] + near * ray[i] for i in range(2))
    around = (x * LIGHT[0] + y * LIGHT[1]) / radius
    return _hit(near, far), _lit(
        jnp.where(near == cap, -jnp.sign(ray[2]) * LIGHT[2], around)
    )


def _sphere(size, start, ray):
    near = _hit(*_ball(size / 2, size / 2, start, ray))
    return near, _rounded(near, size / 2, size / 2, size / 2, start, ray)


def _capsule(size, start, ray):
    radius, low, high = 0.4 * size, 0.4 * size, 1.3 * size
    side = _hit(*_tube(radius, start, ray))
    height = start[2] + side * ray[2]
    side = jnp.where((height >= low) & (height <= high), side, FAR)
    ends = [_hit(*_ball(z, radius, start, ray)) for z in (low, high)]
    near = jnp.minimum(side, jnp.minimum(*ends))
    return near, _rounded(near, low, high, radius, start, ray)


OBJECTS = (_cube, _cylinder, _sphere, _capsule)


def _slab(low, high, start, ray):
    """Where rays enter and leave what is between two planes across an axis."""
    ends = (low - start) / ray, (high - start) / ray
    return jnp.minimum(*ends), jnp.maximum(*ends)


def _tube(radius, start, ray):
    """The same of a cylinder without ends around the z axis."""
    square = ray[0] ** 2 + ray[1] ** 2
    half = start[0] * ray[0] + start[1] * ray[1]
    return _roots(square, half, start[0] ** 2 + start[1] ** 2 - radius**2)


def _ball(height, radius, start, ray):
    """The same of a ball above the middle."""
    z = start[2] - height
    square = ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2
    half = start[0] * ray[0] + start[1] * ray[1] + z * ray[2]
    rest = start[0] ** 2 + start[1] ** 2 + z**2 - radius**2
    return _roots(square, half, rest)


def _roots(square, half, rest):
    """Both solutions of `square t^2 + 2 half t + rest = 0`; `FAR` and -`FAR` if none."""
    inner = half**2 - square * rest
    root = jnp.sqrt(jnp.maximum(inner, 0))
    near, far = (-half - root) / square, (-half + root) / square
    return jnp.where(inner > 0, near, FAR), jnp.where(inner > 0, far, -FAR)


def _hit(near, far):
    """Distance where rays that start outside enter; `FAR` for those that miss it."""
    return jnp.where((near < far) & (far > TINY), near, FAR)


def _rounded(near, low, high, radius, start, ray):
    """Shade where the surface is `radius` away from the z axis between two heights."""
    x, y, z = (start[i] + near * ray[i] for i in range(3))
    z = z - jnp.clip(z, low, high)
    return _lit((x * LIGHT[0] + y * LIGHT[1] + z * LIGHT[2]) / radius)


def _lit(facing):
    """Shade by the cosine between what a surface faces and the light."""
    return jnp.clip(0.45 + 0.75 * jnp.maximum(facing, 0), 0, 1)


def _not_zero(x):
    return jnp.where(jnp.abs(x) < TINY, TINY, x)


@functools.cache
def bank(side: int) -> np.ndarray:
    """Shades of all combinations of size, shape and azimuth, `[480, 4, side, side]`.

    In half precision, which is a fifth of a grey level at most; 16 MB for 64 pixels. A
    compiled step holds it as a constant, which takes no time in steps.
    """
    if side != SIDE:
        step = SIDE // side
        parts = bank(SIDE).reshape(-1, 4, side, step, side, step)
        return parts.mean(axis=(3, 5), dtype=np.float32).astype(np.float16)
    numbers = np.stack(np.unravel_index(np.arange(np.prod(LAYERS)), LAYERS), axis=1)
    with jax.ensure_compile_time_eval():  # it may be asked for while a step is traced
        return np.asarray(jax.jit(shades)(numbers)).astype(np.float16)
