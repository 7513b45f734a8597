"""Small grids of rendered images, which stand in for published ones in quick runs."""

import numpy as np

from iclr22.data.factors import Factor, FactorImages, Grid, renderers

SIDE = 32  # of images of small grids


def small(name: str, count: int) -> FactorImages:
    """A grid of few values of a renderer's factors, evenly chosen, with its images.

    Args:
      name: of the renderer.
      count: points that the grid has at least, if there are as many.
    """
    renderer = renderers.RENDERERS[name]
    sizes = [
        min(x.size, 3 if x.name in renderer.split else 2) for x in renderer.grid.factors
    ]
    while np.prod(sizes) < count and sizes != list(renderer.grid.sizes):
        smallest = min(
            (s, j) for j, s in enumerate(sizes) if s < renderer.grid.sizes[j]
        )[1]
        sizes[smallest] += 1
    pairs = zip(renderer.grid.factors, sizes, strict=True)
    chosen = [_spread(x, size) for x, size in pairs]
    grid = Grid(
        tuple(
            Factor(x.name, tuple(x.values[i] for i in places), x.kind)
            for x, places in zip(renderer.grid.factors, chosen, strict=True)
        )
    )
    index = np.arange(grid.count)
    numbers = grid.numbers(index)
    there = np.stack([places[numbers[:, j]] for j, places in enumerate(chosen)], axis=1)
    images = renderers.draw(name, SIDE, there)
    x = np.rint(255 * images).astype(np.uint8)
    return FactorImages(grid, index, x, "", SIDE, renderer.channels, renderer.split)


def _spread(factor, count):
    """Numbers of so many values; the last of a circle, which is the first, is not taken."""
    around = factor.kind == "cyclic"
    top = factor.size - (0 if around else 1)
    return np.linspace(0, top, count, endpoint=not around).round().astype(int)


def synthetic(
    rng: np.random.Generator, size: int, *, name: str = "mini_dsprites"
) -> FactorImages:
    """A grid of at least `size` points, see `small`; nothing of it is drawn at random."""
    del rng
    return small(name, size)
