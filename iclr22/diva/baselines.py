"""What the derivative is compared with: influence, KNN-Shapley, two ways of reweighting."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric, precision
from iclr22.diva import checks, ridge


def influence(features, targets, weights, l2) -> np.ndarray:
    """Self-influence `[n]`: how far an example moves its own prediction error.

    Koh and Liang, ICML 2017, for weighted ridge: `|E_i|^2 z_i' C z_i`. The influence on
    held-out data is `holdout_derivative`. Arguments as in `diva.derivative`.
    """
    given = checks.problem("features", features, targets, weights, l2)
    return _influence(*given[:4])


@precision.double
@jax.jit
def _influence(features, targets, weights, l2):
    smoother = ridge.primal(features, weights, l2)
    return jnp.sum(smoother.residuals(targets) ** 2, axis=1) * smoother.diagonal


def knn_shapley(
    features, labels, *, neighbors: int = 10, chunk: int = 32
) -> np.ndarray:
    """Exact Shapley values `[n]` of training points for a k-nearest-neighbour vote.

    Jia et al., VLDB 2019, theorem 1, each point validated on by all others. Wrong labels
    get low (negative) values. n^2 log n operations; `chunk` points are sorted at a time.

    Args:
      features: `[n, p]`, Euclidean distances; labels: `[n]`, of any type.
    """
    features = numeric.real(features, "features", ndim=2, dtype=np.float32)
    labels = np.unique(np.asarray(labels), return_inverse=True)[1]
    if len(features) != len(labels):
        raise errors.InputError(
            f"expected features [n, p] and labels [n]; found {features.shape} and "
            f"{labels.shape}"
        )
    if len(features) <= neighbors:
        raise errors.InputError(
            f"expected more than {neighbors} examples; found {len(features)}"
        )
    total = _knn_shapley(jnp.asarray(features), jnp.asarray(labels), neighbors, chunk)
    return np.asarray(total) / (len(features) - 1)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _knn_shapley(features, labels, neighbors, chunk):
    n = features.shape[0]
    norms = jnp.sum(features**2, axis=1)
    rank = jnp.arange(1, n)
    scale = jnp.minimum(neighbors, rank) / (neighbors * rank)

    def one(index):
        distance = norms - 2 * features @ features[index]
        distance = distance.at[index].set(jnp.inf)  # itself comes last
        order = jnp.argsort(distance)[:-1]
        match = (labels[order] == labels[index]).astype(jnp.float32)
        # s_i = s_(i+1) + (m_i - m_(i+1)) min(K, i) / (K i), from the farthest inwards
        steps = (match[:-1] - match[1:]) * scale[:-1]
        last = match[-1] / (n - 1)
        values = last + jnp.append(jnp.cumsum(steps[::-1])[::-1], 0)
        return jnp.zeros(n).at[order].set(values)

    padded = -(-n // chunk) * chunk
    index = jnp.arange(padded).reshape(-1, chunk)

    def add(total, rows):
        values = jax.vmap(one)(jnp.minimum(rows, n - 1))
        return total + jnp.sum(values * (rows < n)[:, None], axis=0), None

    return jax.lax.scan(add, jnp.zeros(n), index)[0]


def meta_weights(
    features, targets, validation_features, validation_targets, *, steps=100, rate=0.5
) -> np.ndarray:
    """Weights `[n]` by one-step meta-gradients on a clean split, averaged over training.

    Ren et al., ICML 2018: at every step of gradient descent an example counts in
    proportion to how well its gradient agrees with that of the validation loss, and not
    at all where they disagree. Full batches, linear softmax classifier.

    Args:
      features: `[n, m]`, targets one-hot `[n, k]`; validation likewise `[v, m]`, `[v, k]`.
      steps: of gradient descent; rate: step size in units of 1 / mean squared norm.
    """
    found = _meta_weights(
        *_single(features, targets),
        *_single(validation_features, validation_targets),
        steps,
        rate,
    )
    weights = np.asarray(found)
    return weights * len(weights) / weights.sum()


def _single(features, targets):
    """Features `[n, m]` and targets `[n, k]` in single precision."""
    features = numeric.real(features, "features", ndim=2, dtype=np.float32)
    targets = numeric.real(targets, "targets", ndim=2, dtype=np.float32)
    if len(features) != len(targets):
        raise errors.InputError(
            f"expected features [n, m] and targets [n, k]; found {features.shape} and "
            f"{targets.shape}"
        )
    return jnp.asarray(features), jnp.asarray(targets)


@functools.partial(jax.jit, static_argnums=4)
def _meta_weights(features, targets, valid_features, valid_targets, steps, rate):
    size = rate / jnp.mean(jnp.sum(features**2, axis=1))

    def step(w, _):
        error = jax.nn.softmax(features @ w) - targets
        valid_error = jax.nn.softmax(valid_features @ w) - valid_targets
        direction = valid_features.T @ valid_error / len(valid_features)
        agreement = jax.nn.relu(jnp.sum(error * (features @ direction), axis=1))
        weights = agreement / jnp.maximum(jnp.sum(agreement), 1e-12)
        return w - size * features.T @ (weights[:, None] * error), weights

    start = jnp.zeros((features.shape[1], targets.shape[1]), features.dtype)
    return jnp.mean(jax.lax.scan(step, start, length=steps)[1], axis=0)


def uncertainty_weights(features, targets, *, steps=100, rate=0.5) -> np.ndarray:
    """Weights `[n]` that favour uncertain examples, mean 1.

    Chang et al., NeurIPS 2017 ("active bias"): `p (1 - p) + eps`, with p the probability
    of the label averaged over the steps of training; eps is its mean, as there.
    Arguments as in `meta_weights`.
    """
    features, targets = _single(features, targets)
    mean = np.asarray(_mean_probability(features, targets, steps, rate))
    weights = mean * (1 - mean)
    weights += weights.mean()
    return weights / weights.mean()


@functools.partial(jax.jit, static_argnums=2)
def _mean_probability(features, targets, steps, rate):
    size = rate / jnp.mean(jnp.sum(features**2, axis=1)) / len(features)

    def step(w, _):
        probability = jax.nn.softmax(features @ w)
        w = w - size * features.T @ (probability - targets)
        return w, jnp.sum(probability * targets, axis=1)

    start = jnp.zeros((features.shape[1], targets.shape[1]), features.dtype)
    return jnp.mean(jax.lax.scan(step, start, length=steps)[1], axis=0)
