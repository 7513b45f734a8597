"""Context-FID (section 6): a Frechet distance of vectors that an encoder gives to windows.

The encoder is trained on real training data alone and then stays as it is. Its scale is
arbitrary: a score says something beside that of known generators under the same encoder.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import errors, loop
from iclr22.psa_gan import contrast, encoder, frechet

CHUNK = 1 << 14  # values that are encoded at a time
SMALLEST_SPREAD = 1e-3  # of vectors of real windows, over their root mean square


class FittedEncoder(NamedTuple):
    """An encoder that is not trained any more.

    Attributes:
      config: of its stage, which its type tells.
      params: a pytree of host arrays.
    """

    config: Any
    params: Any


def _stage(config) -> Any:
    return contrast if isinstance(config, contrast.Config) else encoder


def fit_encoder(
    series, config=None, *, directory=None, seed: int = 0, mode: str = "jit"
) -> FittedEncoder:
    """Train an encoder on real training data, and freeze it.

    Args:
      series: `Scaled`, windows `[n, t]`, or arrays `[t_i]`, scaled as the windows to be
        scored are, NaN where missing.
      config: of `encoder`, whose `longest` should be twice the length of the windows.
      directory: for checkpoints; a run continues from the newest.
      seed: of initialisation and batches.
      mode: as of `loop.fit`.

    Raises:
      errors.InputError: no run of known values to train on.
    """
    config = config or encoder.Config()
    stage = _stage(config)
    plan = loop.Schedule(config.steps, save_every=max(config.steps, 1), scan=20)
    state = loop.fit(
        stage,
        config,
        stage.batches(series, config, seed),
        plan,
        seed=seed,
        mode=mode,
        directory=directory,
        name="encoder",
    )
    return FittedEncoder(config, jax.device_get(state.params))


@functools.lru_cache(maxsize=32)
def _compiled(config):
    return jax.jit(functools.partial(_stage(config).apply, config))


def embed(fitted: FittedEncoder, windows) -> np.ndarray:
    """Vectors float64 `[n, d]` of windows `[n, t]`, in chunks.

    Raises:
      errors.InputError: no windows, or values that are not finite.
    """
    windows = _checked(windows, "windows")
    n, length = windows.shape
    size = min(max(1, CHUNK // length), 1 << (n - 1).bit_length())
    lengths, found = np.full(size, length, np.int32), []
    for low in range(0, n, size):
        part = windows[low : low + size]
        rows = np.pad(part, ((0, size - len(part)), (0, 0)))  # one program for all
        given = {"windows": rows, "lengths": lengths}
        out = _compiled(fitted.config)(fitted.params, given)
        found.append(np.asarray(out, np.float64)[: len(part)])
    return np.concatenate(found)


def context_fid(fitted: FittedEncoder, real, synthetic) -> float:
    """Frechet distance of the vectors of two samples of windows `[n, t]`, `[m, t]`.

    Raises:
      errors.InputError: windows of different lengths, fewer than two, values that are not
        finite, or an encoder to which all real windows look the same.
    """
    real, synthetic = _checked(real, "real windows"), _checked(synthetic, "synthetic")
    if real.shape[1] != synthetic.shape[1]:
        raise errors.InputError(
            "expected real and synthetic windows of one length; found "
            f"{real.shape[1]} and {synthetic.shape[1]}"
        )
    vectors = embed(fitted, real)
    check_spread(vectors)
    return frechet.frechet_distance(vectors, embed(fitted, synthetic))


def check_spread(vectors) -> None:
    """Refuse vectors `[n, d]` of real windows that hardly differ.

    Raises:
      errors.InputError: the encoder has collapsed, or the windows are all alike.
    """
    size = np.sqrt(np.mean(vectors**2))
    spread = np.sqrt(np.mean(np.var(vectors, axis=0)))
    if not spread > SMALLEST_SPREAD * size:
        raise errors.InputError(
            "expected an encoder that tells real windows apart; found vectors whose "
            f"standard deviation is {spread:.2g} at a size of {size:.2g}: every score "
            "would be near 0. Train it longer or at another learning rate, and see that "
            "the real windows are not constant."
        )


def _checked(windows, what) -> np.ndarray:
    """Windows as float32 `[n, t]`."""
    windows = np.asarray(windows)
    if windows.ndim != 2 or not windows.size:
        raise errors.InputError(
            f"{what}: expected windows [n, length]; found shape {list(windows.shape)}"
        )
    if not np.isfinite(windows).all():
        rows = np.flatnonzero(~np.isfinite(windows).all(axis=1))
        raise errors.InputError(
            f"{what}: expected finite values; found others in {len(rows)} of "
            f"{len(windows)} windows, the first is number {rows[0]}. Leave them out."
        )
    return windows.astype(np.float32)
