"""The data of the in-domain experiment: images of a grid of factors, at one size."""

import numpy as np

from experiments import run as runner
from iclr22 import data, errors
from iclr22.data.factors import FactorImages, renderers

QUICK = 2000  # points of a grid of a quick run, where images are not drawn here


def load(run: runner.Run) -> FactorImages:
    """The data set that was asked for, or the user's own, at the size that was asked for."""
    options = run.options
    if run.own:
        return data.load_own_factors(
            options.images,
            options.factors or None,
            side=options.image_size,
            categorical=options.categorical,
            cyclic=options.cyclic,
        )
    entry = data.get(run.dataset)
    if run.quick and run.dataset not in renderers.RENDERERS:
        found = entry.synthetic(np.random.default_rng(0), QUICK)
    else:
        found = entry.load(run.data_dir)
    return sized(found, options.image_size or found.side)


def sized(images: FactorImages, side: int) -> FactorImages:
    """Images of another size, by means over blocks of pixels.

    Raises:
      errors.InputError: a side that does not divide that of the images.
    """
    if side == images.side:
        return images
    if side > images.side or images.side % side:
        raise errors.InputError(
            f"--image_size: expected {images.side} or a divisor of it; found {side}"
        )
    if images.x is None:
        return images._replace(side=side)
    whole = np.asarray(renderers.blocks(images.x, side))
    return images._replace(x=np.rint(whole).astype(np.uint8), side=side)
