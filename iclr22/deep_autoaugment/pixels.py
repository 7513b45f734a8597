"""Images and masks as users have them, as bytes and whole numbers to compute with."""

import jax.numpy as jnp
import numpy as np
from absl import logging

from iclr22 import errors, numeric, precision


def levels(images):
    """`(uint8 [n, h, w, c], shape)` of images `[n, h, w, c]` or `[n, h, w]`; the shape is
    what they had.

    Raises:
      errors.InputError: other shapes, real numbers below 0 or above 1.
    """
    whole = getattr(images, "dtype", None) == np.uint8
    if not whole:
        images = numeric.real(images, "images", ndim=(3, 4), dtype=np.float32)
        if not precision.is_traced(images):
            images = _rounded(images)
        else:
            images = jnp.round(images * 255).astype(jnp.uint8)
    shape = np.shape(images)
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise errors.InputError(
            "images: expected [n, h, w, c] with c 1 or 3, or [n, h, w]; found "
            f"{list(shape)}"
        )
    return (images if len(shape) == 4 else images[..., None]), shape


def _rounded(images):
    if images.size and not 0 <= images.min() <= images.max() <= 1:
        raise errors.InputError(
            "images: expected uint8, or real numbers from 0 to 1; found "
            f"{images.min():g} to {images.max():g}. Divide them by their largest level"
        )
    logging.log_first_n(
        logging.WARNING, "images of real numbers are rounded to 256 levels", 1
    )
    return np.rint(images * 255).astype(np.uint8)


def labels(masks, shape):
    """Masks `[n, h, w]` as whole numbers, if `shape` is theirs.

    Raises:
      errors.InputError: another shape, or fractions.
    """
    kind = getattr(masks, "dtype", None)
    if kind is None or not jnp.issubdtype(kind, jnp.integer):
        masks = numeric.whole(masks, "masks", ndim=3).astype(np.int32)
    if np.shape(masks) != tuple(shape):
        raise errors.InputError(
            f"masks: expected {list(shape)}, as the images; found "
            f"{list(np.shape(masks))}"
        )
    return masks
