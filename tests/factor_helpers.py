"""Helpers of the tests of the in-domain benchmark."""

from iclr22.data.factors import Factor, Grid


def small_grid(**sizes: int) -> Grid:
    """A grid of ordered factors of these sizes, in this order."""
    return Grid(tuple(Factor(name, tuple(range(size))) for name, size in sizes.items()))
