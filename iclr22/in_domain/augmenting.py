"""Changes of training images: with factors kept, changed along, or changed behind one's back.

The study of the benchmark's data (Schott et al., ICLR 2022): corruptions keep every factor;
a shift changes positions, and targets with them; RandAugment turns and moves the image, but
not the targets, so that it teaches what is wrong.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from iclr22.deep_autoaugment import baselines, policy

Name = Literal["none", "corrupt", "shift", "rand_augment"]
NOISE = 0.05  # deviation, of a range of 1
HOLE = 4  # sides of a hole fit so often into one of the image
FURTHEST = 8  # as often as the furthest shift
SPAN = 0.5  # of an image's side that a sprite's centre moves along, from target 0 to 1


def augmented(config, images, target, row, key: jax.Array):
    """`(images, target)` after `config.augmentation`; each row has a draw of its own.

    Args:
      images: float32 `[n, h, w, c]` from 0 to 1.
      target: `[n, f]`.
      row: `[n]`, numbers that draws come from.
    """
    if config.augmentation == "none":
        return images, target
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(row)
    if config.augmentation == "corrupt":
        return jax.vmap(_corrupted)(images, keys), target
    if config.augmentation == "shift":
        return _shifted(config, images, target, keys)
    levels = jnp.rint(images * 255).astype(jnp.uint8)
    changed = policy.augment(baselines.rand_augment(), levels, keys)
    return jnp.asarray(changed, jnp.float32) / 255, target


def _corrupted(image, key):
    """Noise, blur or a hole, each as likely."""
    which, noise, place = jax.random.split(key, 3)
    h, w, _ = image.shape
    noisy = jnp.clip(image + NOISE * jax.random.normal(noise, image.shape), 0, 1)
    rows = jnp.pad(image, ((1, 1), (0, 0), (0, 0)), "edge")
    rows = (rows[:-2] + 2 * rows[1:-1] + rows[2:]) / 4
    both = jnp.pad(rows, ((0, 0), (1, 1), (0, 0)), "edge")
    blurred = (both[:, :-2] + 2 * both[:, 1:-1] + both[:, 2:]) / 4
    top, left = jax.random.uniform(place, (2,)) * jnp.array([h, w])
    inside = [
        abs(jnp.arange(size) + 0.5 - middle) < size / HOLE / 2
        for size, middle in ((h, top), (w, left))
    ]
    hole = inside[0][:, None, None] & inside[1][None, :, None]
    kinds = jnp.stack([noisy, blurred, jnp.where(hole, 0.0, image)])
    return kinds[jax.random.randint(which, (), 0, 3)]


def _shifted(config, images, target, keys):
    """Whole pixels across and down; zeros come in, and targets of positions go along."""
    _, h, w, _ = images.shape
    most = max(h // FURTHEST, 1)
    moves = jax.vmap(lambda key: jax.random.randint(key, (2,), -most, most + 1))(keys)
    padded = jnp.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))

    def one(image, move):
        start = (most - move[1], most - move[0], 0)
        return jax.lax.dynamic_slice(image, start, images.shape[1:])

    for turn, output in enumerate(config.positions):
        size = (w, h)[turn % 2]
        target = target.at[:, output].add(moves[:, turn % 2] / (SPAN * size))
    return jax.vmap(one)(padded, moves), target
