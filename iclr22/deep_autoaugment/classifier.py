"""A network trained on images that a policy changes anew in every step: the seven names.

A batch has x [batch, h, w, c] uint8, y [batch] int32, row [batch] int32, the number that an
example has among all (its random numbers come from it), and weight [batch].
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, gradients, numeric, parallel
from iclr22.deep_autoaugment import networks, optimisation, pixels, policy
from iclr22.deep_autoaugment.policy import Mixture, Policy


class Config(NamedTuple):
    """Hyper-parameters of the network and its training.

    Rates, decay and cutting of gradients as Deep AutoAugment evaluates policies on CIFAR.
    """

    RESOLVED = ("classes", "policy", "mean", "std")  # by the data, by the search

    # which architecture: wide residual, shake-shake, bottlenecks of ImageNet, or
    # EfficientNet-Lite0, whose batch norms are fused
    network: networks.Name = "wrn"
    # layers: wrn 10, 16, 28, 40, ..., shake_shake 26, ..., resnet 50, 101, 152, 200
    depth: int = 16
    widen: int = 1  # factor of the channels of a wrn
    width: int = 96  # channels of the first stage of a shake_shake
    size: int = 128  # pixels that an efficientnet scales images to
    classes: int = 0  # number of outputs
    policy: Policy | Mixture | None = None  # that changes images in training
    mean: tuple[float, ...] = ()  # of each channel on the scale 0 to 1
    std: tuple[float, ...] = ()  # of each channel, likewise
    batch: int = 128  # images per update over all devices
    steps: int = 1000  # updates
    learning_rate: float = 0.1  # peak; falls to 0 along a cosine
    warm_up: int = 0  # updates in which the rate rises from 0
    # times the weights, is added to the gradient after it is cut: kernels and biases of
    # convolutions; 5e-4 is the slope of a penalty of 2.5e-4 times the sum of squares
    weight_decay: float = 5e-4
    l2: float = (
        0.0  # times the sum of squares, as a part of the loss, so that it is cut
    )
    clip: float = 5.0  # norm that a gradient is cut to; 0: not cut
    momentum: float = 0.9  # share of the last update that is kept
    nesterov: bool = True  # momentum that looks ahead
    copies: int = 1  # of each image in a step, each changed and normalised on its own
    # of computing; accelerators: either
    dtype: Literal["float32", "bfloat16"] = "float32"


State = gradients.State  # params: {"weights": ..., "stats": moments of batch norm}


def optimizer(config: Config) -> optax.GradientTransformation:
    """SGD with momentum along a warm-up and a cosine."""
    return optimisation.sgd(config)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `batch["x"]` gives the shape of an image."""
    params = networks.init(config, key, batch["x"])
    return gradients.start(optimizer(config), key, params, trained="weights")


def logits(config: Config, weights, stats, x):
    """`[n, classes]` of uint8 images `[n, h, w, c]`, batch norm frozen."""
    return networks.forward(config, weights, stats, x)[0]


def per_example_loss(config: Config, weights, stats, x, y):
    """Cross-entropy `[n]` of uint8 images `[n, h, w, c]` and labels `[n]`, batch norm
    frozen, no L2: what gradients are matched on."""
    found = logits(config, weights, stats, x)
    return optax.softmax_cross_entropy_with_integer_labels(found, y)


def apply(config: Config, params, inputs, *, key: jax.Array | None = None):
    """Logits `[n, classes]` of uint8 images `[n, h, w, c]` in evaluation."""
    del key
    return logits(config, params["weights"], params["stats"], inputs)


def augmented(config: Config, x, row, key: jax.Array):
    """Images `[n, h, w, c]` after the policy; the draw of each comes from its row."""
    if config.policy is None:
        return x
    return policy.augment(config.policy, x, of_rows(key, row))


def of_rows(key: jax.Array, row):
    """A key `[n]` for each example, on whichever device it is."""
    return jax.vmap(functools.partial(jax.random.fold_in, key))(row)


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """Summed cross-entropy and sums of what is reported.

    Args:
      key: None for evaluation; a key to change the images and take moments of the batch.

    Returns:
      `(total, {"loss", "accuracy", "weight"})`, sums over weighted examples, accuracy
      times 100.
    """
    total, (sums, _) = _objective(config, params, batch, key, axis_name)
    return total, sums


def _objective(config, params, batch, key, axis_name):
    x, weight = batch["x"], batch["weight"]
    given = {}
    if key is not None:
        for_images, for_network = jax.random.split(key)
        x = augmented(config, x, batch["row"], for_images)
        given = {"weight": weight, "keys": of_rows(for_network, batch["row"])}
    found, stats = networks.forward(
        config, params["weights"], params["stats"], x, **given, axis_name=axis_name
    )
    values = optax.softmax_cross_entropy_with_integer_labels(found, batch["y"])
    right = jnp.argmax(found, axis=1) == batch["y"]
    total = weight @ values
    sums = {"loss": total, "accuracy": weight @ right * 100, "weight": weight.sum()}
    return total, (sums, stats)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on a batch (see `loss`); `(State, {"loss", "accuracy"})`.

    With `copies`, batch augmentation (Hoffer et al., CVPR 2020): the gradient is the mean
    of so many, each of the batch changed with a key of its own and normalised by its own
    moments, one after the other; the last one's moments are remembered.
    """

    def objective(weights, batch, key):
        params = {"weights": weights, "stats": state.params["stats"]}
        total, rest = _objective(config, params, batch, key, axis_name)
        if config.l2:
            count = batch["weight"].sum()
            total += config.l2 * count * optimisation.penalty(weights)
        return total, rest

    if config.copies > 1:
        batch = jax.tree.map(lambda x: jnp.repeat(x, config.copies, axis=0), batch)
    weights = state.params["weights"]
    grads, metrics, stats = gradients.mean_gradient(
        objective,
        weights,
        batch,
        gradients.step_key(state),  # of no device: rows make it an example's
        axis_name=axis_name,
        parts=config.copies,
        dtype=config.dtype,
    )
    rule = optimizer(config)
    return gradients.apply(rule, state, grads, trained="weights", stats=stats), metrics


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss, accuracy (times 100) and weight over a batch as it is."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a learnable batch of `size` 8 x 8 images."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = rng.uniform(40, 216, (3, 8, 8, 3))[y] + 10 * rng.normal(size=(size, 8, 8, 3))
    batch = {
        "x": np.clip(x, 0, 255).astype(np.uint8),
        "y": y,
        "row": np.arange(size, dtype=np.int32),
        "weight": np.ones(size, np.float32),
    }
    config = Config(
        classes=3,
        depth=4,
        policy=Policy(((policy.Entry("flip", 6, 0.0, 1.0),),)),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        steps=100,
        copies=2,
    )
    return config, batch


def checked(x, y):
    """`(uint8 [n, h, w, c], int32 [n])` of images and classes as users have them.

    Args:
      x: images `[n, h, w]` or `[n, h, w, c]`, uint8, or real numbers from 0 to 1.
      y: classes, whole numbers from 0.

    Raises:
      errors.InputError: other images or classes, unequal numbers of them, none, one class.
    """
    x, y = np.asarray(pixels.levels(x)[0]), numeric.whole(y, "y", low=0)
    if len(x) != len(y) or len(np.unique(y)) < 2:
        raise errors.InputError(
            "expected a class y [n] of each image x [n, h, w, c], and two classes or more; "
            f"found {len(x)} images, {len(y)} labels, {len(np.unique(y))} classes"
        )
    return x, y.astype(np.int32)
