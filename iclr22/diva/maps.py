"""Features that need no pretrained network: random ReLU, random Fourier, the input itself.

Examples go through a `Scaling` first: columns of vectors are standardised, pixels divided
by the largest.

Each map is `(train [n, ...], seed, size) -> function of inputs`; all end with a constant
column and are scaled so that the mean squared norm on the training inputs is 1, which
makes penalties comparable.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import numeric
from iclr22.diva.penalty import choose_l2


class Scaling(NamedTuple):
    """What examples go through before all else: `(x - shift) / scale`.

    Attributes:
      shift, scale: 0-dimensional for images, `[d]` for vectors.
    """

    shift: np.ndarray
    scale: np.ndarray

    def __call__(self, x) -> np.ndarray:
        """Float32 inputs of examples `[n, ...]`; the difference is taken in float64."""
        wide = np.float64 if self.shift.ndim else np.float32
        x = numeric.real(x, "x", dtype=wide)
        return np.asarray((x - self.shift) / self.scale, np.float32)


def scaling_of(x, standardise: bool = True) -> Scaling:
    """How training examples are scaled.

    Args:
      x: vectors `[n, d]`, whose columns get mean 0 and standard deviation 1 (constant
        ones 0), or images `[n, ...]`, which are divided by their largest value if they
        are whole numbers from 0.
      standardise: False leaves vectors as they are.
    """
    given, x = np.asarray(x), numeric.real(x, "x")
    if x.ndim == 2 and standardise:
        shift = np.asarray(np.mean(x, axis=0, dtype=np.float64))
        scale = np.std(x, axis=0, dtype=np.float64)
        rounding = 1e-7 * np.max(np.abs(x - shift), axis=0, initial=0.0)
        constant = scale <= np.maximum(rounding, 1e-12 * np.abs(shift))
        return Scaling(shift, np.where(constant, 1.0, scale))
    whole = given.dtype.kind in "bui" and x.ndim > 2 and x.size and x.min() >= 0
    scale = x.max() or 1.0 if whole else 1.0
    return Scaling(np.zeros((), np.float32), np.asarray(scale, np.float32))


def pixels(train, seed: int = 0, size: int = 0) -> Callable:
    """The flattened input."""
    del seed, size
    return finish(flatten, train)


def random_relu(train, seed: int = 0, size: int = 1024) -> Callable:
    """`relu(x W)` with Gaussian W: an untrained two-layer network's last features."""
    width = flatten(train).shape[1]
    w = jax.random.normal(jax.random.key(seed), (width, size)) / np.sqrt(width)
    return finish(lambda x: jax.nn.relu(flatten(x) @ w), train)


def random_fourier(train, seed: int = 0, size: int = 512) -> Callable:
    """Random features of a Gaussian kernel (Rahimi and Recht, 2007).

    The bandwidth is the median distance between training inputs.
    """
    rows = flatten(train)
    width = rows.shape[1]
    some = np.asarray(rows[: min(len(rows), 500)], np.float64)
    norms = np.sum(some**2, axis=1)
    squared = norms[:, None] + norms - 2 * some @ some.T
    scale = 1 / np.sqrt(np.median(squared[squared > 1e-9]))
    w_key, b_key = jax.random.split(jax.random.key(seed))
    w = jax.random.normal(w_key, (width, size)) * scale
    b = jax.random.uniform(b_key, (size,), maxval=2 * np.pi)
    return finish(lambda x: jnp.cos(flatten(x) @ w + b), train)


def best(train, targets, seed: int = 0, size: int = 1024) -> Callable:
    """Random ReLU features, or the inputs where these predict better.

    Better is a smaller leave-one-out loss at its best penalty: what also chooses that.
    On the inputs, a linear model cannot have a class between two others (grades, ages).

    Args:
      targets: `[n, k]`.
    """

    def loss(make):
        return np.nanmin(choose_l2(make(train), targets).losses)

    makes = random_relu(train, seed, size), pixels(train)
    return min(makes, key=loss)


MAPS = {"pixels": pixels, "random_relu": random_relu, "random_fourier": random_fourier}


class Finish(NamedTuple):
    """The last step of every map: a constant column, and one scale for all."""

    constant: float
    scale: float

    def __call__(self, rows) -> np.ndarray:
        """Features `[n, p + 1]`, float32, of rows `[n, p]`."""
        rows = np.asarray(rows, np.float32)
        column = np.full((len(rows), 1), self.constant, np.float32)
        return self.scale * np.append(rows, column, axis=1)


def finish_of(rows) -> Finish:
    """The step that gives rows `[n, p]` of the training inputs mean squared norm 1."""
    norm = np.mean(np.sum(np.square(rows), axis=1))
    constant = np.sqrt(norm / rows.shape[1])
    return Finish(float(constant), float(1 / np.sqrt(norm + constant**2)))


def finish(features: Callable, train) -> Callable:
    """Append a constant and scale to mean squared norm 1 on `train`; NumPy float32."""
    last = finish_of(np.asarray(features(train)))
    return lambda x: last(features(x))


def flatten(x):
    """`[n, ...]` to `[n, d]`."""
    return x.reshape(len(x), -1)
