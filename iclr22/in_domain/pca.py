"""Representation by the principal components of training images; nothing is trained.

params = pca.fit(pca.Config(), data.images, rows)
codes = pca.encode(pca.Config(), params, data.images(rows))
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.in_domain import encoding

PARTS = ("Config", "apply")
CHUNK = 1024  # images at a time
LARGEST = 4096  # pixels times channels whose covariance is made
MORE, PASSES = (
    22,
    8,
)  # beyond that: directions besides those asked for; looks at all images


class Config(NamedTuple):
    """What is kept."""

    latents: int = 10  # components


def fit(config: Config, images: Callable, rows) -> dict[str, np.ndarray]:
    """Mean, leading components and their deviations over some images.

    In closed form from the covariance up to 4,096 pixels times channels; larger images by
    subspace iteration from random directions (Halko et al., SIAM Review 2011,
    arXiv:0909.4061), with eight passes. Images are asked for 1,024 at a time.

    Args:
      images: `rows -> images [n, h, w, c]` from 0 to 1, such as `FactorImages.images`.
      rows: of the images to look at, `[n]`.

    Returns:
      `{"mean" [p], "components" [p, latents], "deviations" [latents]}`, p pixels times
      channels, columns orthonormal, the sign such that the largest entry is positive.

    Raises:
      errors.InputError: fewer images, or pixels, than components.
    """
    rows = np.asarray(rows)
    mean = _mean(images, rows)
    if min(len(rows), len(mean)) < config.latents:
        raise errors.InputError(
            f"expected at least {config.latents} images and pixels, the number of "
            f"components; found {len(rows)} images of {len(mean)}"
        )
    small = len(mean) <= LARGEST
    find = _closed if small else _iterated
    values, components = find(config.latents, images, rows, mean)
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(config.latents)])
    deviations = np.sqrt(np.maximum(values, 1e-12))
    return {
        "mean": mean.astype(np.float32),
        "components": (components * signs).astype(np.float32),
        "deviations": deviations.astype(np.float32),
    }


def apply(config: Config, params, inputs, *, key=None):
    """Codes `[n, latents]` of images `[n, h, w, c]`: of deviation 1 over what was fitted."""
    del config, key
    flat = jnp.reshape(inputs, (len(inputs), -1)) - params["mean"]
    return flat @ params["components"] / params["deviations"]


def encode(config: Config, params, images) -> np.ndarray:
    """Codes, float32 `[n, latents]`, of any number of images `[n, h, w, c]` from 0 to 1."""
    return encoding.in_chunks(_compiled, config, params, images)


_compiled = jax.jit(apply, static_argnums=0)


def _chunks(images, rows):
    """Flat images `[CHUNK, p]`, the last of which are zero, and how many there are."""
    for start in range(0, len(rows), CHUNK):
        part = images(rows[start : start + CHUNK])
        room = np.zeros((CHUNK, part[0].size), np.float32)
        room[: len(part)] = part.reshape(len(part), -1)
        yield room, len(part)


def _mean(images, rows):
    total = sum(room.sum(axis=0, dtype=np.float64) for room, _ in _chunks(images, rows))
    return np.atleast_1d(total) / max(1, len(rows))


def _centred(images, rows, mean):
    for room, count in _chunks(images, rows):
        room[:count] -= mean.astype(np.float32)
        yield room


def _closed(count, images, rows, mean):
    """`(variances [k], components [p, k])`, the largest first."""
    from scipy import linalg

    total = np.zeros((len(mean), len(mean)))
    for room in _centred(images, rows, mean):
        total += np.asarray(_product(room, room))
    top = len(mean) - count, len(mean) - 1
    values, vectors = linalg.eigh(total / len(rows), subset_by_index=top)
    return values[::-1], vectors[:, ::-1]


def _iterated(count, images, rows, mean):
    """The same from a subspace that is multiplied by the covariance again and again."""
    width = min(count + MORE, len(mean))
    image = np.random.default_rng(0).normal(size=(len(mean), width))
    for _ in range(PASSES):
        basis = np.linalg.qr(image)[0].astype(np.float32)
        image = np.zeros((len(mean), width))
        for room in _centred(images, rows, mean):
            image += np.asarray(_product(room, room @ basis))
    values, turn = np.linalg.eigh(basis.T @ image / len(rows))
    order = np.argsort(values)[::-1][:count]
    return values[order], basis @ turn[:, order]


@jax.jit
def _product(x, y):
    return x.T @ y
