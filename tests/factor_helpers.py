"""Helpers of the tests of the in-domain benchmark: small grids, and NumPy references."""

import numpy as np

from iclr22.data.factors import Factor, Grid


def small_grid(**sizes: int) -> Grid:
    """A grid of ordered factors of these sizes, in this order."""
    return Grid(tuple(Factor(name, tuple(range(size))) for name, size in sizes.items()))


def sprite(shape, scale, orientation, x, y):
    """One sprite by the formulas of dSprites in float64, bool [64, 64]."""
    theta = 2 * np.pi * (orientation % 39) / 39
    column, row = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    dx, dy = column - (16 + 32 * x / 31), row - (16 + 32 * y / 31)
    size = 0.5 + scale / 10
    u = (np.cos(theta) * dx - np.sin(theta) * dy) / size
    v = (np.sin(theta) * dx + np.cos(theta) * dy) / size
    if shape == 0:
        return np.maximum(np.abs(u), np.abs(v)) <= 9.6
    if shape == 1:
        return (u / 12.77) ** 2 + (v / 7.21) ** 2 <= 1
    q = np.sqrt(np.maximum(1 - np.cbrt(np.abs(u) / 9.6) ** 2, 0))

    def height(z):
        return -0.662994 * (-8 * z**4 - 8 * z**3 - 2 * z**2 + 19 * z + 4) - 1.43772

    return (np.abs(u) <= 9.6) & (height(q) <= v) & (v <= height(-q))
