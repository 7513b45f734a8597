"""The renderers once more, by NumPy in double precision: what ours are compared with.

Written ray by ray and pixel by pixel, after the same formulas, and nothing is shared with
`iclr22.data.factors`: they are the reference in tests, and the other side in `speed`.
"""

import colorsys

import numpy as np

LIGHT = np.array((-0.45, -0.75, 1.0)) / np.linalg.norm((-0.45, -0.75, 1.0))


def sprites(factors, dtype=np.float64) -> np.ndarray:
    """dSprites images, bool `[n, 64, 64]`, of grid numbers `[n, 5]`, whole or between.

    Every shape by itself. Single precision is twice as fast and differs in pixels of outlines.
    """
    factors = np.asarray(factors, np.float64)
    found = np.empty((len(factors), 64, 64), bool)
    for number, inside in enumerate((_square, _ellipse, _heart)):
        rows = factors[:, 0] == number
        found[rows] = inside(*_turned(factors[rows, 1:], dtype))
    return found


def _turned(factors, dtype):
    """Coordinates u and v `[n, 64, 64]` in the sprites' own frames."""
    scale, turn, i, j = (x[:, None, None] for x in factors.T)
    theta = 2 * np.pi * np.where(turn == 39, 0, turn) / 39
    size = 0.5 + scale / 10
    cos, sin = ((f(theta) / size).astype(dtype) for f in (np.cos, np.sin))
    middle = np.arange(64) + 0.5
    dx = (middle[None, None, :] - (16 + 32 * i / 31)).astype(dtype)
    dy = (middle[None, :, None] - (16 + 32 * j / 31)).astype(dtype)
    return cos * dx - sin * dy, sin * dx + cos * dy


def _square(u, v):
    return np.maximum(np.abs(u), np.abs(v)) <= 9.6


def _ellipse(u, v):
    return (u / 12.77) ** 2 + (v / 7.21) ** 2 <= 1


def _heart(u, v):
    q = np.sqrt(np.maximum(1 - np.cbrt((u / 9.6) ** 2), 0))
    return (np.abs(u) <= 9.6) & (_height(q) <= v) & (v <= _height(-q))


def _height(z):
    return -0.662994 * ((((-8 * z - 8) * z - 2) * z + 19) * z + 4) - 1.43772


def scene(factors) -> np.ndarray:
    """One image like those of 3D Shapes, `[64, 64, 3]` from 0 to 1, of grid numbers `[6]`."""
    hues = [colorsys.hsv_to_rgb(x / 10, 1, 1) for x in factors[:3]]
    size, shape = 0.75 + factors[3] / 14, int(factors[4])
    phi = np.radians(-30 + factors[5] * 60 / 14)
    eye = np.array([3.48 * np.sin(phi), -3.48 * np.cos(phi), 1.04])
    rays = _rays(phi)
    near = np.full(len(rays), np.inf)
    colour = np.tile(np.array([155, 226, 250]) / 255, (len(rays), 1))

    def paint(distance, where, what):
        closer = where & (distance > 1e-9) & (distance < near)
        near[closer], colour[closer] = distance[closer], what[closer]

    distance = -eye[2] / rays[:, 2]
    points = eye + distance[:, None] * rays
    floor = (distance > 0) & (np.abs(points[:, :2]) <= 4.97).all(axis=1)
    points[:, 2] = 0
    lamp = np.hypot(points[:, 0] + 2, points[:, 1] + 4)
    bright = np.clip(1.12 - 0.035 * lamp, 0.5, 1)
    light = np.broadcast_to(LIGHT, points[floor].shape)
    dark = np.isfinite(_object(shape, size, points[floor], light)[0])
    bright[floor] *= np.where(dark, 0.33, 1)
    paint(distance, floor, bright[:, None] * hues[0])
    for axis, sign in ((0, -1), (0, 1), (1, -1), (1, 1)):
        distance = (sign * 4.97 - eye[axis]) / rays[:, axis]
        points = eye + distance[:, None] * rays
        inside = (np.abs(points[:, 1 - axis]) <= 4.97) & (points[:, 2] >= 0)
        shade = np.full(len(rays), _lit(-sign * LIGHT[axis]))
        paint(distance, inside & (points[:, 2] <= 2.83), shade[:, None] * hues[1])
    distance, normal = _object(shape, size, np.broadcast_to(eye, rays.shape), rays)
    paint(distance, np.isfinite(distance), _lit(normal @ LIGHT)[:, None] * hues[2])
    return colour.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))


def _rays(phi):
    """Directions `[128 * 128, 3]`, row by row, one unit forwards each."""
    focal = 32 / np.tan(np.radians(25))
    aside = ((np.arange(128) + 0.5) / 2 - 32) / focal
    forwards = np.array([-np.sin(phi), np.cos(phi), 0])
    right, up = np.array([np.cos(phi), np.sin(phi), 0]), np.array([0, 0, 1])
    across = aside[None, :, None] * right
    return (forwards + across - aside[:, None, None] * up).reshape(-1, 3)


def _lit(facing):
    return np.clip(0.45 + 0.75 * np.maximum(facing, 0), 0, 1)


def _object(shape, size, start, rays):
    """Distances `[n]`, infinite where it is missed, and normals `[n, 3]`."""
    near, normal = np.full(len(rays), np.inf), np.zeros(rays.shape)

    def meet(distance, where, facing):
        closer = where & (distance > 1e-9) & (distance < near)
        near[closer], normal[closer] = distance[closer], facing[closer]

    def plane(axis, at, sign, inside):
        distance = (at - start[:, axis]) / rays[:, axis]
        points = start + distance[:, None] * rays
        facing = np.zeros(rays.shape)
        facing[:, axis] = sign
        meet(distance, inside(points), facing)

    def curved(square, half, rest, middle, radius, low=-np.inf, high=np.inf):
        inner = half**2 - square * rest
        distance = (-half - np.sqrt(np.maximum(inner, 0))) / square
        points = start + distance[:, None] * rays
        inside = (inner > 0) & (points[:, 2] >= low) & (points[:, 2] <= high)
        meet(distance, inside, (points - middle(points)) / radius)

    def ball(height, radius):
        from_middle = start - [0, 0, height]
        terms = [(rays * rays), (rays * from_middle), (from_middle * from_middle)]
        square, half, rest = (x.sum(axis=1) for x in terms)
        curved(square, half, rest - radius**2, lambda _: [0, 0, height], radius)

    def tube(radius, low, high):
        x, y = rays[:, :2], start[:, :2]
        square, half, rest = (a.sum(axis=1) for a in (x * x, x * y, y * y))
        axis = np.array([0, 0, 1])
        curved(square, half, rest - radius**2, lambda p: p * axis, radius, low, high)

    if shape == 0:
        low, high = np.array([-size / 2, -size / 2, 0]), size * np.array([0.5, 0.5, 1])
        for axis in range(3):
            others = [i for i in range(3) if i != axis]

            def inside(points, others=others):
                p = points[:, others]
                return ((p >= low[others]) & (p <= high[others])).all(axis=1)

            for end, sign in ((low, -1), (high, 1)):
                plane(axis, end[axis], sign, inside)
    elif shape == 1:
        tube(size / 2, 0, size)
        plane(2, size, 1, lambda p: np.hypot(p[:, 0], p[:, 1]) <= size / 2)
    elif shape == 2:
        ball(size / 2, size / 2)
    else:
        ball(0.4 * size, 0.4 * size)
        ball(1.3 * size, 0.4 * size)
        tube(0.4 * size, 0.4 * size, 1.3 * size)
    return near, normal
