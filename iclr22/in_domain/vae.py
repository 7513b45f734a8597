"""Representations from images without labels, by variational autoencoders: seven names.

Three kinds, all with a Gaussian posterior of `latents` numbers per image:
  beta_vae: reconstruction, and beta times the divergence of the posterior from a standard
    normal (Higgins et al., ICLR 2017);
  ada_gvae: pairs of images that differ in few factors; latents whose posteriors differ
    least are taken to be shared, and averaged (Locatello et al., ICML 2020,
    arXiv:2002.02886);
  slow_vae: images one after the other; the later posterior is held near a Laplace density
    around the earlier (Klindt et al., ICLR 2021, arXiv:2007.10930).

A batch (`pairs`) has images, of pairs the second with names that end in 2, row [batch]
int32, the number of an example, from which its noise comes, and weight [batch].
"""

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import erf

from iclr22 import errors, gradients, parallel
from iclr22.in_domain import drawing, encoding
from iclr22.in_domain.networks import autoencoder, cnn
from iclr22.nn import initial

Kind = Literal["beta_vae", "ada_gvae", "slow_vae"]


class Config(NamedTuple):
    """Hyper-parameters, as the benchmark's representations have them."""

    RESOLVED = ("kind", "renderer", "side")

    kind: Kind = "beta_vae"  # what is learned from: images, pairs, or successive images
    latents: int = 10  # numbers per image
    beta: float = 1.0  # times the divergence from a standard normal
    gamma: float = 10.0  # slow_vae: times the divergence from the transition
    rate: float = 6.0  # slow_vae: of the Laplace density of a transition
    widths: tuple[int, ...] = cnn.WIDTHS  # channels of the convolutions
    width: int = cnn.FEATURES  # features of the dense layers
    renderer: str = ""  # what draws the images in the step
    side: int = 32  # pixels of an image that is drawn
    batch: int = 64  # images, or pairs, per update over all devices
    steps: int = 1000  # updates
    learning_rate: float = 1e-3  # of Adam; the published 1e-4 is for 300,000 updates


State = gradients.State  # params: {"encoder", "decoder"}


def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam."""
    return optax.adam(config.learning_rate)


def _encoder(config):
    return autoencoder.Encoder(2 * config.latents, config.widths, config.width)


def _decoder(config, shape):
    return autoencoder.Decoder(tuple(shape), config.widths, config.width)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; the batch gives the shape of an image.

    Raises:
      errors.InputError: another kind.
    """
    check(config)
    one = jax.tree.map(lambda x: x[:1], dict(batch))
    x = drawing.images_of(config, one)
    latents = jnp.zeros((1, config.latents))
    weights = {
        "encoder": _encoder(config).init(key, x)["params"],
        "decoder": _decoder(config, x.shape[1:]).init(key, latents)["params"],
    }
    return gradients.start(optimizer(config), key, initial.uniform(weights, key))


def check(config: Config) -> None:
    """Raises errors.InputError where the kind is none of the three."""
    if config.kind not in get_args(Kind):
        raise errors.nearest(config.kind, get_args(Kind), "kind of autoencoder")


def apply(config: Config, params, inputs, *, key: jax.Array | None = None):
    """Means of the posteriors, `[n, latents]`, of images `[n, h, w, c]` from 0 to 1."""
    del key
    return posterior(config, params, inputs)[0]


def posterior(config: Config, params, inputs):
    """`(means, logarithms of variances)`, `[n, latents]` each, of images `[n, h, w, c]`."""
    found = jnp.asarray(_encoder(config).apply({"params": params["encoder"]}, inputs))
    return found[:, : config.latents], found[:, config.latents :]


def decode(config: Config, params, z, shape):
    """Logits of images `[n, *shape]` of latents `[n, latents]`."""
    return _decoder(config, shape).apply({"params": params["decoder"]}, z)


def encode(config: Config, params, images) -> np.ndarray:
    """Means of the posteriors, float32 `[n, latents]`, of any number of images
    `[n, h, w, c]` from 0 to 1, some after the others."""
    return encoding.in_chunks(_compiled, config, params, images)


_compiled = jax.jit(apply, static_argnums=0)


def loss(config: Config, params, batch, *, key=None):
    """Summed loss and sums of what it consists of.

    Args:
      key: None for evaluation, in which latents are the means; else of their noise.

    Returns:
      `(total, {"loss", "reconstruction", "divergence", "weight"})`: divergence from the
      standard normal, not times beta; of pairs, sums of both images.
    """
    weight = batch["weight"]
    suffixes = ("",) if config.kind == "beta_vae" else ("", "2")
    images = [drawing.images_of(config, batch, suffix) for suffix in suffixes]
    found = posterior(config, params, jnp.concatenate(images))
    parts = [jnp.split(x, len(images)) for x in found]
    posteriors = list(zip(*parts, strict=True))  # (means, logarithms) of each image
    if config.kind == "ada_gvae":
        posteriors = shared(posteriors[0], posteriors[1])
    z = [_drawn(one, batch["row"], key, index) for index, one in enumerate(posteriors)]
    logits = decode(config, params, jnp.concatenate(z), images[0].shape[1:])
    pixels = optax.sigmoid_binary_cross_entropy(logits, jnp.concatenate(images))
    reconstruction = _per_example(pixels, len(images))
    divergence = sum(from_normal(*one) for one in posteriors)
    values = reconstruction + config.beta * divergence
    if config.kind == "slow_vae":
        first = from_normal(*posteriors[0])  # the later one has the transition instead
        step = from_transition(posteriors[0], posteriors[1], config.rate)
        values = reconstruction + config.beta * first + config.gamma * step
    total = weight @ values
    sums = {
        "loss": total,
        "reconstruction": weight @ reconstruction,
        "divergence": weight @ divergence,
        "weight": weight.sum(),
    }
    return total, sums


def _per_example(pixels, count):
    """Sums over pixels `[count n, ...]` and over the images of an example, `[n]`."""
    return jnp.sum(pixels.reshape(count, len(pixels) // count, -1), axis=(0, 2))


def _drawn(given, row, key, index):
    """Latents of a posterior; the noise of an example comes from its row."""
    mean, logarithm = given
    if key is None:
        return mean

    def noise(row):
        own = jax.random.fold_in(jax.random.fold_in(key, row), index)
        return jax.random.normal(own, mean.shape[1:])

    return mean + jnp.exp(logarithm / 2) * jax.vmap(noise)(row)


def from_normal(mean, logarithm):
    """Divergence of Gaussians `[n, d]` from a standard normal, `[n]`."""
    return jnp.sum(mean**2 + jnp.exp(logarithm) - 1 - logarithm, axis=-1) / 2


def from_transition(before, after, rate: float):
    """Divergence of the later posterior from a Laplace density around the earlier latents,
    `[n]`, in expectation over both (Klindt et al., appendix A.3, in closed form).

    Args:
      before: `(means, logarithms of variances)`, `[n, d]`, of the earlier image.
      after: likewise, of the later.
      rate: of the density, per unit of a latent.
    """
    (mean0, log0), (mean1, log1) = before, after
    entropy = (jnp.log(2 * jnp.pi) + 1 + log1) / 2
    apart = absolute(mean1 - mean0, jnp.exp(log0) + jnp.exp(log1))
    return jnp.sum(rate * apart - entropy - jnp.log(rate / 2), axis=-1)


def absolute(mean, variance):
    """Expected absolute value of Gaussians, of any shape."""
    deviation = jnp.sqrt(variance)
    ratio = mean / deviation
    near = jnp.sqrt(2 / jnp.pi) * deviation * jnp.exp(-(ratio**2) / 2)
    return near + mean * erf(ratio / jnp.sqrt(2.0))


def shared(first, second):
    """Posteriors of a pair in which the latents that differ least are averaged.

    Those whose divergence is below the middle between the smallest and the largest are
    taken to be shared: both get the mean of the means and of the variances.

    Args:
      first, second: `(means, logarithms of variances)`, `[n, d]`.
    """
    (mean0, log0), (mean1, log1) = first, second
    variance0, variance1 = jnp.exp(log0), jnp.exp(log1)
    apart = ((mean0 - mean1) ** 2 + variance0) / variance1 - 1 + log1 - log0
    ends = [f(apart, axis=-1, keepdims=True) for f in (jnp.max, jnp.min)]
    same = apart < sum(ends) / 2
    mean, logarithm = (mean0 + mean1) / 2, jnp.log((variance0 + variance1) / 2)

    def merged(own, both):
        return jnp.where(same, both, own)

    return [
        (merged(mean0, mean), merged(log0, logarithm)),
        (merged(mean1, mean), merged(log1, logarithm)),
    ]


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on a batch (see `loss`); `(State, {"loss", ...})`."""

    def objective(params, batch, key):
        total, sums = loss(config, params, batch, key=key)
        return total, (sums, None)

    grads, metrics, _ = gradients.mean_gradient(
        objective,
        state.params,
        batch,
        gradients.step_key(state),  # of no device: rows make it an example's
        axis_name=axis_name,
    )
    return gradients.apply(optimizer(config), state, grads), metrics


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of `loss` over a batch as it is."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a learnable batch of `size` pairs of 8 x 8 images."""
    rng = np.random.default_rng(seed)
    batch = encoding.bumps(rng, size) | {
        "row": np.arange(size, dtype=np.int32),
        "weight": np.ones(size, np.float32),
    }
    config = Config("ada_gvae", latents=2, widths=(4,), width=8, side=8)
    return config._replace(learning_rate=1e-2), batch
