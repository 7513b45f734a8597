"""One layer of a policy, learned by gradient matching: the seven names (section 3.2 and 3.3).

A group is `validation` images of a class as they are and one other image x of that class. An
operation is good where the mean gradient of its x points where that of the others does: the
cosine of both, J, is to grow. Its derivative with respect to the probability of operation n
is the derivative of the loss of T_n(x) along the tangent

    t = v - g <v, g> / |g|^2,   over |g| |v|,

so one forward-mode product per batch of images is all that is needed. Layers before this one
do not change; those after it are not there yet.

A batch has x [groups, validation, h, w, c] uint8, image [groups, h, w, c] uint8, y [groups]
int32 (the class), row [groups] int32 (its own number in the step) and weight [groups].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.deep_autoaugment import applying, classifier, derivatives, space, tables
from iclr22.deep_autoaugment.classifier import Config as Classifier
from iclr22.deep_autoaugment.space import Transformation

BEGIN = 8.0  # logit of identity over all others, at first


class Config(NamedTuple):
    """Hyper-parameters of the search of a layer, as published for CIFAR."""

    RESOLVED = ("network", "transformations", "first")

    network: Classifier = Classifier()  # whose gradients are compared
    transformations: tuple[Transformation, ...] = ()  # that a layer chooses from
    first: bool = True  # no layer before: all transformations of x, none is drawn
    layers: int = 6  # of a policy, at most
    steps: int = 1024  # updates of a layer
    groups: int = 16  # of an update
    validation: int = 64  # images of a group that are compared with
    copies: int = 4  # of x for each transformation, drawn through all layers
    paths: int = 16  # draws of the layers before, each followed by every transformation
    learning_rate: float = 0.025  # of Adam
    # standard deviations over groups that are taken from the mean, after the first layer
    penalty: float = 1.0
    chunk: int = 128  # images of one pass through the network


State = gradients.State  # params: {"logits" [N], "before" [layers - 1, N], "network"}


class Found(NamedTuple):
    """What groups say: `cosine [groups]`, J, and its derivative with respect to each
    probability, `slope [groups, N]`; none where it is not asked for."""

    cosine: jax.Array
    slope: jax.Array | None


def fresh(count: int) -> np.ndarray:
    """Logits `[count]` of a layer that is nearly all identity (the first of them)."""
    logits = np.zeros(count, np.float32)
    logits[0] = BEGIN
    return logits - logits.mean()


def nothing(layers: int, count: int) -> np.ndarray:
    """Log-probabilities `[layers - 1, count]` of layers before, which do nothing; there is
    always one."""
    before = np.full((max(layers - 1, 1), count), -1e9, np.float32)
    before[:, 0] = 0
    return before


def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam, with the small constant of the authors' library."""
    return optax.adam(config.learning_rate, eps=1e-7)


def init(config: Config, key: jax.Array, batch) -> State:
    """A layer that is nearly all identity, on a random network (`begin` of `loop.fit`)."""
    count = len(config.transformations)
    one = {"x": batch["image"][:1], "y": batch["y"][:1]}
    params = {
        "logits": jnp.asarray(fresh(count)),
        "before": jnp.asarray(nothing(config.layers, count)),
        "network": classifier.init(config.network, key, one).params,
    }
    return gradients.start(optimizer(config), key, params, trained="logits")


def apply(config: Config, params, inputs=None, *, key=None):
    """Probabilities `[N]` of the layer."""
    del config, inputs, key
    return jax.nn.softmax(params["logits"])


def matched(
    config: Config, params, batch, key: jax.Array, *, slopes: bool = True
) -> Found:
    """What each group of a batch says; a group draws from `key` and its own row."""
    keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(batch["row"])
    images, shares, tried = _images(config, params, batch["image"], keys, slopes)
    network = params["network"]

    def one(group):
        x, y, images, tried = group
        count = len(x)
        wanted = derivatives.gradient(config, network, x, y, jnp.full(count, 1 / count))
        got = derivatives.gradient(config, network, images, y, shares)
        tangent, cosine = derivatives.orthogonal(wanted, got)
        if not slopes:
            return Found(cosine, None)
        slope = derivatives.directional(config, network, tried, y, tangent)
        slope = slope.reshape(-1, len(config.transformations)).mean(axis=0)
        return Found(cosine, slope)

    return jax.lax.map(one, (batch["x"], batch["y"], images, tried))


def _images(config: Config, params, image, keys, slopes: bool):
    """`(images [groups, m, h, w, c], their shares [m], tried)`: what the gradient of a group
    is of, and what slopes are of: draws of the layers before, each followed by every
    transformation `[groups, paths N, h, w, c]`.

    All groups at once: XLA's compiler for accelerators refuses the loops of `apply_all`
    inside another one.
    """
    drawn, passed, chance = jnp.moveaxis(
        jax.vmap(lambda k: jax.random.split(k, 3))(keys), 1, 0
    )
    every = jnp.arange(len(config.transformations), dtype=jnp.int32)[:, None]
    if config.first:
        which = jnp.broadcast_to(every, (len(image), *every.shape))
        images = _augmented(config, image, which, drawn)
        return images, apply(config, params), images
    count = config.copies * len(every)
    before = jax.nn.softmax(params["before"])
    layers = jnp.concatenate([before, apply(config, params)[None]])

    def sampled(key):
        return applying.draw(layers, jax.random.split(key, count))

    def expanded(key):
        key = jax.random.fold_in(key, 1)
        paths = applying.draw(before, jax.random.split(key, config.paths))
        each = jnp.tile(every, (config.paths, 1))
        return jnp.concatenate([jnp.repeat(paths, len(every), axis=0), each], axis=1)

    images = _augmented(config, image, jax.vmap(sampled)(chance), drawn)
    shares, tried = jnp.full(count, 1 / count), images[:, :1]
    if slopes:
        tried = _augmented(config, image, jax.vmap(expanded)(chance), passed)
    return images, shares, tried


def _augmented(config: Config, image, which, keys):
    """Images `[groups, h, w, c]` through transformations `[groups, m, layers]` of each:
    `[groups, m, h, w, c]` uint8."""
    made = tables.of(config.transformations, *image.shape[1:3])
    groups, count, layers = which.shape
    own = jax.vmap(lambda key: jax.random.split(key, count))(keys)
    images = jnp.repeat(image, count, axis=0)
    found = applying.apply_all(made, images, which.reshape(-1, layers), own.reshape(-1))
    return found.reshape(groups, count, *image.shape[1:])


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` of 1 - J; without a key the draws are always the same."""
    key = jax.random.key(0) if key is None else key
    found = matched(config, params, batch, key, slopes=False)
    return _sums(found.cosine, batch["weight"])


def _sums(cosine, weight):
    total = weight @ (1 - cosine)
    sums = {"loss": total, "cosine": weight @ cosine, "weight": weight.sum()}
    return total, sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update of the layer's logits along the mean slope of all groups less `penalty`
    standard deviations; `(State, {"loss", "cosine", "identity"})`."""
    key = jax.random.fold_in(state.key, state.step)
    found = matched(config, state.params, batch, key)
    weight = batch["weight"]
    _, metrics = gradients.mean((), _sums(found.cosine, weight)[1], axis_name)
    slope = combined(config, found.slope, weight, axis_name)
    share = apply(config, state.params)
    grads = -share * (slope - share @ slope)
    state = gradients.apply(optimizer(config), state, grads, trained="logits")
    return state, metrics | {"identity": share[0]}


def combined(config: Config, slope, weight, axis_name=None):
    """One slope `[N]` of all groups `[groups, N]` of all devices: their mean and, after the
    first layer, less `penalty` standard deviations of them (section 3.3)."""
    summed, count = parallel.reduce((weight @ slope, weight.sum()), axis_name)
    count = jnp.maximum(count, gradients.SMALLEST)
    mean = summed / count
    if config.first:
        return mean
    squares = parallel.reduce(weight @ (slope - mean) ** 2, axis_name) / count
    return mean - config.penalty * jnp.sqrt(squares)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of 1 - J and of J."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` groups whose x is a negative of the others."""
    rng = np.random.default_rng(seed)
    network, _ = classifier.example(1)
    chosen = [x for x in space.space() if x.op in ("identity", "invert", "flip")]
    config = Config(
        network=network,
        transformations=tuple(chosen),
        first=False,
        layers=2,
        validation=2,
        copies=2,
        paths=1,
        learning_rate=0.3,
        steps=40,
    )
    y = np.arange(size, dtype=np.int32) % network.classes
    patterns = rng.uniform(0, 255, (network.classes, 8, 8, 3))
    noise = rng.normal(0, 5, (size, 3, 8, 8, 3))
    images = np.clip(patterns[y][:, None] + noise, 0, 255).astype(np.uint8)
    batch = {
        "x": images[:, 1:],
        "image": 255 - images[:, 0],
        "y": y,
        "row": np.arange(size, dtype=np.int32),
        "weight": np.ones(size, np.float32),
    }
    return config, batch
