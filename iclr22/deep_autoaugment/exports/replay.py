"""What a policy did, or will do, to each image: the steps of `apply_policy`, by its keys.

steps = replay.steps(policy, replay.keys(key, n), sizes)
new = standalone.apply(image, steps[i])         # the pixels of `apply_policy`, image i
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from iclr22.deep_autoaugment import applying, randomised, space
from iclr22.deep_autoaugment.exports import standalone
from iclr22.deep_autoaugment.policy import Mixture, Policy, compiled, drawn
from iclr22.deep_autoaugment.tables import ONE

LEAST = 128  # images that are drawn for at a time
Step = tuple[str, float, object]  # operation, value, place, as in `standalone.draw`


def keys(key, count: int) -> jax.Array:
    """Keys `[count]` of the images of a call of `apply_policy`."""
    return jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(count))


def steps(
    policy: Policy | Mixture, keys, sizes: Sequence[tuple[int, int]]
) -> list[list[Step]]:
    """Steps of each image, one for each layer.

    Args:
      keys: `[m]`, of the images.
      sizes: m times width and height, or one for all.

    Raises:
      errors.InputError: a policy that cannot be applied.
    """
    made = compiled(policy)
    count = len(keys)
    sizes = list(sizes) * (count if len(sizes) == 1 else 1)
    rows = padded(count)
    which, words = (np.asarray(x)[:count] for x in _draws(policy, keys[rows]))
    found = []
    for i, size in enumerate(sizes):
        of_image: list[Step] = []
        for k, (n, word) in enumerate(
            zip(which[i].tolist(), words[i].tolist(), strict=True)
        ):
            op, _, value = made.transformations[n]
            where = standalone.place(op, value, size, word)
            if op == space.RESIZED_CROP:
                where = _part(value, size, jax.random.fold_in(keys[i], k))
            of_image.append((op, value, where))
        found.append(of_image)
    return found


def padded(count: int) -> np.ndarray:
    """Rows of so many, and some again up to a power of two: few shapes are compiled."""
    return np.arange(max(LEAST, 1 << max(count - 1, 0).bit_length())) % max(count, 1)


@functools.partial(jax.jit, static_argnums=0)
def _draws(policy, keys):
    """Rows of transformations and random words, both `[m, K]`, as `applying` draws them."""
    which = drawn(compiled(policy), keys)
    layers = which.shape[1]
    return which, jax.vmap(lambda key: applying.words_of(key, layers))(keys)


def _part(value: float, size, key) -> tuple[int, ...]:
    width, height = size
    least = jnp.asarray(int(value * ONE), jnp.int32)
    top, left, rows, columns = randomised.part(height, width, least, key)
    return int(left), int(top), int(columns), int(rows)
