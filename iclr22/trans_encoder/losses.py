"""Losses of sentence pairs, one value per example (section 2).

Which is used where matters (table 8 of the paper): with squared errors from bi- to
cross-encoder the student is its teacher again and the cycle stands still; with soft
cross-entropy from cross- to bi-encoder the cosine, from -1 to 1, would be a logit that
cannot reach targets near 0 or 1. Both are here as ablations.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import optax

Kind = Literal["bce", "mse"]
SMALLEST = 1e-12  # squared length that a vector is divided by at least
NONE = -1e9  # similarity of what does not count


def soft_cross_entropy(logits, labels):
    """Cross-entropy `[n]` of `logits [n]` with soft `labels [n]` from 0 to 1 (equation 3).

    Its gradient is sigmoid(logit) - label; its minimum is the entropy of the label, not 0.
    A label outside of 0 to 1 has no minimum.
    """
    return optax.sigmoid_binary_cross_entropy(logits, labels)


def squared_error(predictions, labels):
    """Squared errors `[n]` (equation 4)."""
    return jnp.square(predictions - labels)


def between(kind: Kind, predictions, labels):
    """One of both, `[n]`; of `bce` the predictions are logits."""
    losses = {"bce": soft_cross_entropy, "mse": squared_error}
    return losses[kind](predictions, labels)


def unit(x):
    """Vectors `[..., d]` of length 1; zeros stay zeros, with finite gradients."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, SMALLEST))


def cosine(one, other):
    """Cosines `[...]` of vectors `[..., d]`."""
    return jnp.sum(unit(one) * unit(other), axis=-1)


def info_nce(one, other, temperature, *, own=None, counted=None):
    """`(loss [n], right [n])` of the contrast of two views (equation 1; SimCSE).

    Args:
      one: first views `[n, d]`.
      other: second views `[m, d]`, among which each first view is to find its own.
      temperature: what cosines are divided by.
      own: `[n]` int, which of `other` belongs to each; the row itself if None.
      counted: `[m]` bool, which of `other` take part; all if None.

    Returns:
      The loss, ln m for vectors that are all alike, and whether the nearest is its own.
    """
    own = jnp.arange(len(one)) if own is None else own
    near = unit(one) @ unit(other).T / temperature
    if counted is not None:
        near = jnp.where(counted, near, NONE)
    loss = optax.softmax_cross_entropy_with_integer_labels(near, own)
    return loss, jnp.argmax(near, axis=-1) == own


def tokens_cross_entropy(logits, targets, weight):
    """Means over the tokens of each text, `[n]`: of `logits [n, t, v]` for `targets [n, t]`,
    counted as `weight [n, t]` says."""
    each = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return jnp.sum(each * weight, axis=-1) / jnp.maximum(weight.sum(axis=-1), 1)
