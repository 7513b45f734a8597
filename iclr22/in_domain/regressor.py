"""A network that reads all factors from an image, trained on some of a grid: the seven names.

A batch has images (`drawing`), target [batch, f] float32, the factors on the scale 0 to 1,
row [batch] int32, the number that an example has among all (its random numbers come from
it), and weight [batch]. The loss is the mean squared error over examples and factors
(Schott et al., ICLR 2022, section 3).
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.in_domain import augmenting, drawing, networks


class Config(NamedTuple):
    """Hyper-parameters of a network and its training."""

    RESOLVED = ("network", "outputs", "renderer", "side", "positions", "hues")

    network: networks.Name = "cnn"  # which architecture
    scale: Literal["tiny", "small", "full"] = "tiny"  # size of residual and dense ones
    outputs: int = 0  # factors
    renderer: str = ""  # what draws the images in the step
    side: int = 32  # pixels of an image that is drawn
    # numbers of the outputs that say where something is, from left to right and from top
    # to bottom, in turn
    positions: tuple[int, ...] = ()
    hues: tuple[int, ...] = ()  # numbers of the outputs that are hues
    batch: int = 64  # images per update over all devices
    steps: int = 800  # updates
    learning_rate: float = 1e-3  # at its peak; soft_argmax has twice that
    # how the rate falls to 0: along a line over the last 40 %, or along a cosine
    schedule: Literal["line", "cosine"] = "line"
    optimizer: Literal["adam", "sgd"] = "adam"  # sgd: momentum 0.9, 5 % warm-up
    weight_decay: float = 0.0  # of Adam (AdamW)
    # of training images: corrupt (noise, blur or a hole, no factor changes), shift (the
    # positions change with it), rand_augment (factors change, targets do not)
    augmentation: augmenting.Name = "none"
    # of computing; accelerators: either
    dtype: Literal["float32", "bfloat16"] = "float32"


State = gradients.State  # params: {"weights": ..., "stats": moments of batch norm}


def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam, or SGD as networks of others are fine-tuned."""
    peak, steps = config.learning_rate, config.steps
    if config.schedule == "line":
        begin = steps * 6 // 10
        rate = optax.linear_schedule(peak, 0.0, max(steps - begin, 1), begin)
    else:
        warm_up = steps // 20 if config.optimizer == "sgd" else 0
        rate = optax.warmup_cosine_decay_schedule(
            peak if not warm_up else 0.0, peak, warm_up, steps
        )
    if config.optimizer == "sgd":
        return optax.sgd(rate, 0.9)
    if config.weight_decay:
        return optax.adamw(rate, weight_decay=config.weight_decay)
    return optax.adam(rate)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; the batch gives the shape of an image."""
    one = jax.tree.map(lambda x: x[:1], dict(batch))
    params = networks.init(config, key, drawing.images_of(config, one))
    return gradients.start(optimizer(config), key, params, trained="weights")


def apply(config: Config, params, inputs, *, key: jax.Array | None = None):
    """Factors `[n, outputs]`, about 0 to 1, of images `[n, h, w, c]` from 0 to 1."""
    del key
    return _forward(config, params, inputs)[0]


def features(config: Config, params, inputs):
    """What the last layer sees, `[n, d]`, of images `[n, h, w, c]` from 0 to 1."""
    return _forward(config, params, inputs)[1]


def _forward(config, params, inputs):
    kind = gradients.compute_dtype(config.dtype)
    found = networks.forward(
        config, params["weights"], params["stats"], inputs.astype(kind)
    )
    return [x.astype(jnp.float32) for x in found[:2]]


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """Summed squared error and sums of what is reported.

    Args:
      key: None for evaluation; a key to change images and take moments of the batch.

    Returns:
      `(total, {"loss", "weight"})`, the loss a mean over factors, summed over examples.
    """
    total, (sums, _) = _objective(config, params, batch, key, axis_name)
    return total, sums


def _objective(config, params, batch, key, axis_name):
    images, target = drawing.images_of(config, batch), batch["target"]
    weight = batch["weight"]
    if key is not None:
        images, target = augmenting.augmented(config, images, target, batch["row"], key)
    found, _, stats = networks.forward(
        config,
        params["weights"],
        params["stats"],
        images.astype(gradients.compute_dtype(config.dtype)),
        None if key is None else weight,
        axis_name=axis_name,
    )
    total = weight @ jnp.mean((found.astype(jnp.float32) - target) ** 2, axis=1)
    return total, ({"loss": total, "weight": weight.sum()}, stats)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on a batch (see `loss`); `(State, {"loss"})`."""

    def objective(weights, batch, key):
        params = {"weights": weights, "stats": state.params["stats"]}
        return _objective(config, params, batch, key, axis_name)

    grads, metrics, stats = gradients.mean_gradient(
        objective,
        state.params["weights"],
        batch,
        gradients.step_key(state),  # of no device: rows make it an example's
        axis_name=axis_name,
        dtype=config.dtype,
    )
    rule = optimizer(config)
    return gradients.apply(rule, state, grads, trained="weights", stats=stats), metrics


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss and weight over a batch as it is."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a learnable batch of `size` 8 x 8 images."""
    rng = np.random.default_rng(seed)
    target = rng.random((size, 2), np.float32)
    place = np.linspace(0, 1, 8)
    across = np.exp(-8 * (place[None, :] - target[:, :1]) ** 2)
    down = np.exp(-8 * (place[None, :] - target[:, 1:]) ** 2)
    x = np.rint(255 * down[:, :, None] * across[:, None, :]).astype(np.uint8)
    batch = {
        "x": x[..., None],
        "target": target,
        "row": np.arange(size, dtype=np.int32),
        "weight": np.ones(size, np.float32),
    }
    config = Config("soft_argmax", outputs=2, side=8, positions=(0, 1), steps=100)
    return config._replace(augmentation="corrupt", learning_rate=1e-2), batch
