"""What attribution needs of a model: ours in JAX, or any function of NumPy arrays."""

import functools
import importlib
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.trajectory_shapley import metrics


class Predictor(NamedTuple):
    """A model in JAX: what is encoded once, and what depends on the coalition.

    Functions are pure and hashable; the same ones with other `params` do not compile
    again. Inputs of `encode` are a dict: history `[windows, 2, time, 6]` (what stands for
    the past, the past), neighbours `[windows, slots, time, 6]`, kind `[windows]`,
    neighbour_kind `[windows, slots]` and seed `[windows]`, int32, of random numbers that
    all coalitions share.
    """

    encode: Callable  # (params, inputs) -> codes, a pytree of [windows, ...]
    # (params, codes, past [windows] bool, mask [windows, slots] bool) ->
    # metrics.Mixture, or {"samples": [windows, draws, horizon, 2]}
    decode: Callable
    samples: Callable | None = None  # the same arguments -> samples, for minADE, minFDE
    params: Any = None


class Foreign(NamedTuple):
    """A function of NumPy arrays, in any framework.

    `predict(history [batch, time, 6], neighbours [batch, slots, time, 6], mask [batch,
    slots] bool, kind [batch], neighbour_kind [batch, slots])` returns
    `{"samples": [batch, draws, horizon, 2]}` or `{"mix_logits": [batch, modes], "mean":
    [batch, modes, horizon, 2], "cov": [batch, modes, horizon, 2, 2]}`, positions relative
    to the current one. States are as in `windows.Windows`; who is left out is masked, with
    zeros for its states. A row's result may depend on that row only, and not on chance:
    every call and every row gets the same random numbers.
    """

    predict: Callable


ARGUMENTS = ("history", "neighbours", "mask", "kind", "neighbour_kind")
MIXTURE = {  # what a mixture consists of: shape, of B rows, K modes and T steps
    "mix_logits": ("B", "K"),
    "mean": ("B", "K", "T", 2),
    "cov": ("B", "K", "T", 2, 2),
}
SAMPLES = {"samples": ("B", "S", "T", 2)}
FORMS = (SAMPLES, MIXTURE)


def bind(
    config: Hashable, params, *, encode: Callable, decode: Callable, samples: Callable
) -> Predictor:
    """Functions that take a configuration first as a predictor of `params`."""
    encode, decode, samples = _bound(config, encode, decode, samples)
    return Predictor(encode=encode, decode=decode, samples=samples, params=params)


@functools.lru_cache(maxsize=64)
def _bound(config, *functions):
    """The same functions for every call: other parameters do not compile again."""
    return tuple(functools.partial(function, config) for function in functions)


def with_baseline(batch):
    """Inputs of `encode` where nothing is going to be left out: a batch with seeds."""
    history = jnp.stack([jnp.zeros_like(batch["history"]), batch["history"]], 1)
    names = ("neighbours", "kind", "neighbour_kind", "seed")
    return {name: batch[name] for name in names} | {"history": history}


def pick(past, pair):
    """The entry of `pair [batch, 2, ...]` (without, with the past) for `past [batch]`."""
    shape = (len(past),) + (1,) * (pair.ndim - 2)
    return jnp.where(past.reshape(shape), pair[:, 1], pair[:, 0])


def load(name: str) -> Foreign:
    """The predictor `module:function` of a command line.

    Raises:
      InputError: another form, no such module or function.
    """
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise errors.InputError(
            f"a predictor is given as module:function, as in my_model:predict; found "
            f"{name!r}"
        )
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise errors.InputError(
            f"the module {module!r} of the predictor {name!r} cannot be imported "
            f"({error}); run from its folder or put that on PYTHONPATH"
        ) from error
    if not hasattr(found, function):
        options = [k for k, v in vars(found).items() if callable(v)]
        raise errors.nearest(function, options, f"function of {module}")
    predict = getattr(found, function)
    if not callable(predict):
        raise errors.InputError(
            f"{name!r} must be a function, found {type(predict).__name__}"
        )
    return Foreign(predict)


def call(foreign: Foreign, inputs: dict, horizon: int):
    """Outputs of `predict` as a `metrics.Mixture` or `{"samples": ...}` in float32.

    Args:
      inputs: `ARGUMENTS` by name.

    Raises:
      InputError: outputs of another form or shape.
    """
    # Copies: a function that writes into its arguments would change later rows.
    found = foreign.predict(*(np.array(inputs[name]) for name in ARGUMENTS))
    names = set(found) if isinstance(found, dict) else set()
    expected = SAMPLES if "samples" in names else MIXTURE
    if not expected.keys() <= names:
        forms = (", ".join(f"{k} {_text(v)}" for k, v in x.items()) for x in FORMS)
        raise errors.InputError(
            f"a predictor must return a dict with {' or '.join(forms)}; found "
            f"{sorted(map(str, names)) if names else type(found).__name__}"
        )
    arrays = {name: _array(name, found[name]) for name in expected}
    sizes = {"B": len(inputs["history"]), "T": horizon}
    for name, shape in expected.items():
        sizes = _fitted(name, arrays[name].shape, shape, sizes)
    if expected is SAMPLES:
        return arrays
    cov = arrays["cov"]
    _check_covariances(cov)
    cov = np.stack([cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]], -1)
    return metrics.Mixture(arrays["mix_logits"], arrays["mean"], cov)


def _check_covariances(cov):
    """Refuse matrices `[..., 2, 2]` that are not symmetric and positive definite."""
    xx, xy, yx, yy = (cov[..., i, j].astype(np.float64) for i in (0, 1) for j in (0, 1))
    skew = np.abs(xy - yx) > 1e-4 * (np.abs(xx) + np.abs(yy))
    bad = np.isfinite(xx + xy + yx + yy) & (
        skew | (xx <= 0) | (yy <= 0) | (xx * yy <= xy * yx)
    )
    if bad.any():
        place = tuple(map(int, np.argwhere(bad)[0]))
        raise errors.InputError(
            "cov of a predictor must be symmetric and positive definite; found "
            f"{cov[place].tolist()} at {place} in {int(bad.sum())} of {bad.size}. Return "
            "covariances, not their logarithms or inverses; add a small multiple of the "
            "identity where they are singular."
        )


def _fitted(name, found, shape, sizes) -> dict:
    """Sizes by letter with those that an array settles; InputError for another shape."""
    if len(found) == len(shape):
        named = zip(shape, found, strict=True)
        sizes = {s: n for s, n in named if isinstance(s, str)} | sizes
    wanted = tuple(sizes.get(s, s) for s in shape)
    if tuple(found) != wanted:
        raise errors.InputError(
            f"a predictor must return {name} {_text(shape)} = {_text(wanted)} for "
            f"{sizes['B']} rows and {sizes['T']} steps; found shape {_text(found)}"
        )
    return sizes


def _text(shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _array(name, x) -> np.ndarray:
    try:
        return np.asarray(x, np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise errors.InputError(
            f"a predictor must return NumPy arrays; {name} is a {type(x).__name__} that "
            f"does not become one ({error}); detach tensors and move them to the CPU"
        ) from error


def check(foreign: Foreign, inputs: dict, horizon: int) -> None:
    """Try a predictor on two rows, on the same two in reverse and on one of them beside
    another, before any long work.

    Args:
      inputs: `ARGUMENTS` by name, of one row or more.

    Raises:
      InputError: outputs of another shape, not finite, or that depend on other rows or
        on chance.
    """
    rows = {
        name: np.resize(inputs[name], (2, *inputs[name].shape[1:]))
        for name in ARGUMENTS
    }
    beside = {name: _other_second(x) for name, x in rows.items()}
    first, again, other = (
        _arrays(call(foreign, given, horizon))
        for given in (rows, {name: x[::-1] for name, x in rows.items()}, beside)
    )
    for name, x in first.items():
        if not np.isfinite(x).all():
            raise errors.InputError(
                f"{name} of a predictor must be finite, found nan, inf"
            )
        if not _same(x, again[name][::-1]):
            raise errors.InputError(
                f"{name} of a predictor differs between two calls with the same rows in "
                "another order; coalitions can only be compared under the same random "
                "numbers: draw noise once, with the same seed in every call, and use the "
                "same noise for every row, as in rng.normal(size=(1, draws, horizon, 2))"
            )
        if not _same(x[:1], other[name][:1]):
            raise errors.InputError(
                f"{name} of a predictor for a row differs with what else is in the call; a "
                "row's result may depend on that row only: put the model into evaluation "
                "mode (model.eval(): batch norm with its running moments, no dropout), "
                "and normalise nothing over rows"
            )


def _arrays(found) -> dict:
    return found if isinstance(found, dict) else found._asdict()


def _same(x, y) -> bool:
    size = np.abs(x).max(initial=1e-6)
    return np.allclose(x, y, atol=1e-3 * size, rtol=1e-3)


def _other_second(x):
    """Two rows, the second of floating-point ones changed."""
    if x.dtype.kind != "f":
        return x
    return np.concatenate([x[:1], 3 * x[1:] + np.float32(1)])
