"""Representations by telling successive images from others: seven names.

Permutation contrastive learning (Hyvarinen and Morioka, AISTATS 2017, arXiv:1703.02156): an
encoder h, whose codes a logistic regression compares, with the form that the logarithm of
sources' transition densities has:
  r = sum_i |a_i1 h_i(x) + a_i2 h_i(x2) + b_i| - sum_i (c_i h_i(x) + d_i)^2 + e.

A batch (`pairs`) has images x and x2 (or factors and factors2), label [batch] float32, 1
where x2 follows x and 0 where it follows another, row and weight [batch].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.in_domain import drawing, encoding
from iclr22.in_domain.networks import autoencoder, cnn
from iclr22.nn import initial


class Config(NamedTuple):
    """Hyper-parameters."""

    RESOLVED = ("renderer", "side")

    latents: int = 10  # numbers per image
    widths: tuple[int, ...] = cnn.WIDTHS  # channels of the convolutions
    width: int = cnn.FEATURES  # features of the dense layers
    renderer: str = ""  # what draws the images in the step
    side: int = 32  # pixels of an image that is drawn
    batch: int = 64  # pairs per update over all devices
    steps: int = 1000  # updates
    learning_rate: float = 1e-3  # of Adam


State = gradients.State  # params: {"encoder", "compare": {"a", "b", "c", "d", "e"}}


def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam."""
    return optax.adam(config.learning_rate)


def _encoder(config):
    return autoencoder.Encoder(config.latents, config.widths, config.width)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; the batch gives the shape of an image."""
    one = jax.tree.map(lambda x: x[:1], dict(batch))
    weights = _encoder(config).init(key, drawing.images_of(config, one))["params"]
    ones, zeros = jnp.ones(config.latents), jnp.zeros(config.latents)
    params = {
        "encoder": initial.uniform(weights, key),
        "compare": {
            "a": jnp.stack([ones, ones]),
            "b": zeros,
            "c": ones,
            "d": zeros,
            "e": jnp.zeros(()),
        },
    }
    return gradients.start(optimizer(config), key, params)


def apply(config: Config, params, inputs, *, key: jax.Array | None = None):
    """Codes `[n, latents]` of images `[n, h, w, c]` from 0 to 1."""
    del key
    return jnp.asarray(_encoder(config).apply({"params": params["encoder"]}, inputs))


def encode(config: Config, params, images) -> np.ndarray:
    """Codes, float32 `[n, latents]`, of any number of images `[n, h, w, c]` from 0 to 1,
    some after the others."""
    return encoding.in_chunks(_compiled, config, params, images)


_compiled = jax.jit(apply, static_argnums=0)


def compared(compare, first, second):
    """Logits `[n]` that codes `[n, d]` follow each other."""
    a, b, c, d = (compare[name] for name in "abcd")
    together = jnp.abs(a[0] * first + a[1] * second + b)
    alone = (c * first + d) ** 2
    return jnp.sum(together - alone, axis=-1) + compare["e"]


def loss(config: Config, params, batch, *, key=None):
    """`(total, {"loss", "accuracy", "weight"})`: summed log-loss, accuracy times 100."""
    del key
    images = [drawing.images_of(config, batch, suffix) for suffix in ("", "2")]
    codes = jnp.split(apply(config, params, jnp.concatenate(images)), 2)
    logits = compared(params["compare"], *codes)
    label, weight = batch["label"], batch["weight"]
    total = weight @ optax.sigmoid_binary_cross_entropy(logits, label)
    right = (logits > 0) == (label > 0.5)
    sums = {"loss": total, "accuracy": weight @ right * 100, "weight": weight.sum()}
    return total, sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on a batch (see `loss`); `(State, {"loss", "accuracy"})`."""

    def objective(params, batch, key):
        return loss(config, params, batch, key=key)

    return gradients.update(
        optimizer(config), state, objective, batch, axis_name=axis_name
    )


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of `loss` over a batch as it is."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a learnable batch of `size` pairs of 8 x 8 images."""
    rng = np.random.default_rng(seed)
    images = encoding.bumps(rng, size)
    label = (np.arange(size) % 2).astype(np.float32)
    other = rng.permutation(size)
    follows = label[:, None, None, None] > 0
    batch = {
        "x": images["x"],
        "x2": np.where(follows, images["x2"], images["x2"][other]),
        "label": label,
        "row": np.arange(size, dtype=np.int32),
        "weight": np.ones(size, np.float32),
    }
    config = Config(latents=4, widths=(8,), width=16, side=8, learning_rate=1e-2)
    return config, batch
