"""Images of a batch: stored ones, or such as are drawn in the step from their factors.

A batch has x [batch, h, w, c] uint8, or factors [batch, f] int32, the numbers of a grid's
values; then nothing but a few numbers comes from the host.
"""

import jax.numpy as jnp

from iclr22.data.factors import FactorImages, renderers


def images_of(config, batch, suffix: str = ""):
    """Images float32 `[batch, h, w, c]` from 0 to 1.

    Args:
      config: with `renderer`, empty where images are stored, and `side`.
      suffix: of the entry, "2" for the second image of a pair.
    """
    if config.renderer:
        return renderers.rendered(
            config.renderer, config.side, batch[f"factors{suffix}"]
        )
    x = batch[f"x{suffix}"]
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


def stored(data: FactorImages, rows, suffix: str = "") -> dict:
    """What batches need of images of these rows, by name of the entry."""
    if data.x is not None:
        return {f"x{suffix}": data.x[rows]}
    return {f"factors{suffix}": data.grid.numbers(data.index[rows])}
