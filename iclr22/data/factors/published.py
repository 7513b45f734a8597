"""Grids of factors: rendered ones, and published ones whose files the user has."""

import functools

import numpy as np

from iclr22.data.factors import FactorImages, renderers
from iclr22.data.factors.simulated import synthetic
from iclr22.data.registry import Dataset, Info


def rendered(name: str, side: int = 64) -> FactorImages:
    """The whole grid of a renderer; images are drawn when they are needed.

    Args:
      name: of the renderer.
      side: pixels, 64 or a divisor.
    """
    renderers.checked(name, side)
    about = renderers.RENDERERS[name]
    index = np.arange(about.grid.count)
    return FactorImages(
        about.grid, index, None, name, side, about.channels, about.split
    )


def _load_rendered(data_dir=None, *, name):
    del data_dir
    return rendered(name)


DSPRITES = (
    "L. Matthey, I. Higgins, D. Hassabis and A. Lerchner (2017). dSprites: "
    "Disentanglement testing Sprites dataset. github.com/deepmind/dsprites-dataset"
)
SHAPES3D = (
    "C. Burgess and H. Kim (2018). 3D Shapes Dataset. "
    "github.com/deepmind/3dshapes-dataset"
)
DATASETS = {
    "mini_dsprites": Dataset(
        functools.partial(_load_rendered, name="mini_dsprites"),
        functools.partial(synthetic, name="mini_dsprites"),
        Info(
            "18,432 sprites of one orientation, 64 x 64 pixels; drawn here",
            files=(),
            licence="Apache-2.0",
            citation=DSPRITES,
        ),
    ),
    "dsprites": Dataset(
        functools.partial(_load_rendered, name="dsprites"),
        functools.partial(synthetic, name="dsprites"),
        Info(
            "737,280 sprites, 64 x 64 pixels; drawn here",
            files=(),
            licence="Apache-2.0",
            citation=DSPRITES,
        ),
    ),
    "shapes3d_like": Dataset(
        functools.partial(_load_rendered, name="shapes3d_like"),
        functools.partial(synthetic, name="shapes3d_like"),
        Info(
            "480,000 scenes like those of 3D Shapes, 64 x 64 pixels; drawn here",
            files=(),
            licence="Apache-2.0",
            citation=SHAPES3D,
        ),
    ),
}
