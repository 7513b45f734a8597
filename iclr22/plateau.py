"""Keep the best state of a run, and cut the rate where validation no longer improves.

What the released code takes from its trainer: the rate is multiplied by a factor after more
than `patience` evaluations without a relative improvement of `THRESHOLD`, and training goes
on from the best parameters. A `review` for `loop.fit`, pure, so that a resumed run is the
same run.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

THRESHOLD = 1e-4  # relative improvement that resets the patience


class Best(NamedTuple):
    """The best parameters so far and how long ago they were; arrays only."""

    params: dict
    loss: jax.Array  # of validation, []
    marked: jax.Array  # loss that must be improved on to reset the patience, []
    stale: jax.Array  # evaluations without improvement, [] int32
    rate: jax.Array  # what learning rates are multiplied by, []


def fresh(params) -> Best:
    """Before the first evaluation."""
    copy = jax.tree.map(jnp.array, params)  # a step donates both
    none = jnp.float32(jnp.inf)
    return Best(copy, none, none, jnp.int32(0), jnp.float32(1))


def review(state, means, *, factor: float = 0.25, patience: int = 4):
    """`state` (with fields `params` and `best`) after an evaluation whose mean is
    `means["valid/loss"]`; `patience < 0` never cuts the rate."""
    return _judge(factor, patience)(state, jnp.float32(means["valid/loss"]))


@functools.lru_cache(maxsize=8)
def _judge(factor, patience):
    def judge(state, loss):
        best = state.best
        better, improved = loss < best.loss, loss < best.marked * (1 - THRESHOLD)
        improved |= ~jnp.isfinite(best.marked)
        keep = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), state.params, best.params
        )
        stale = jnp.where(improved, 0, best.stale + 1)
        cut = (stale > patience) & (patience >= 0)
        params = jax.tree.map(
            lambda old, new: jnp.where(cut, old, new), keep, state.params
        )
        best = Best(
            keep,
            jnp.minimum(loss, best.loss),
            jnp.where(improved, loss, best.marked),
            jnp.where(cut, 0, stale),
            best.rate * jnp.where(cut, factor, 1.0),
        )
        return state._replace(params=params, best=best)

    return jax.jit(judge)
