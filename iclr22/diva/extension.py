"""Growing a core set from a pool by the dataset derivative (arXiv:2111.09785, section 5)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, precision
from iclr22.diva import checks, ridge
from iclr22.diva.checks import one_hot


class Extension(NamedTuple):
    """Result of `extend`.

    Attributes:
      order: indices into the pool in the order of selection, `[selected]`.
      weights: `[rounds + 1, core + pool]` membership before the first round and after
        each.
      best_derivative: `[rounds]`, most negative derivative in the pool at each round;
        zero or above means that nothing in the pool was expected to help.
    """

    order: np.ndarray
    weights: np.ndarray
    best_derivative: np.ndarray


def extend(
    features,
    targets,
    core,
    *,
    l2,
    batch=10,
    rounds=None,
    loss="mse",
    labels=None,
    stop=True,
) -> Extension:
    """Grow a core set from a pool, in each round by what lowers the loss most.

    Only examples already in the set are validated on: the labels of the pool are not
    trusted. Keep `batch` small: a large one is filled with near-duplicates that help
    with the same mistake (100 at once start worse than random on digits).

    Args:
      features: `[n, p]` of core and pool together; targets: `[n, k]`.
      core: `[n]` bool, True for the core.
      batch: examples added per round.
      rounds: most rounds; by default until the pool is empty.
      labels: `[n]` ints; if given, every class gets the same quota in a batch.
      stop: end when no example of the pool has a negative derivative (False ranks the
        whole pool).
    """
    features = checks.examples(features)
    core = np.asarray(core, bool)
    if core.shape != (len(features),) or not core.any() or core.all():
        raise errors.InputError(
            f"expected a bool mask [{len(features)}] with both core (True) and pool "
            f"(False); found shape {core.shape} with {core.sum()} True"
        )
    most = int(np.ceil((~core).sum() / batch))
    rounds = most if rounds is None else min(rounds, most)
    classes = None if labels is None else one_hot(labels)
    given = checks.problem("features", features, targets, core, l2)
    weights, best = _extend(
        *given[:4],
        classes,
        batch=batch,
        rounds=rounds,
        loss=checks.loss_for(loss, given.targets),
        stop=stop,
    )
    weights = np.concatenate([core[None].astype(float), np.asarray(weights)])
    order = [
        np.flatnonzero(now > before)
        for before, now in zip(weights[:-1], weights[1:], strict=True)
    ]
    return Extension(np.concatenate(order), weights, np.asarray(best))


@precision.double
@functools.partial(jax.jit, static_argnames=("batch", "rounds", "loss", "stop"))
def _extend(features, targets, core, l2, classes, *, batch, rounds, loss, stop):
    form = ridge.primal
    if features.shape[1] > features.shape[0]:
        features, form = features @ features.T, ridge.dual

    def choose(g, inside):
        score = jnp.where(inside > 0, -jnp.inf, -g)
        if classes is not None:  # rank within each class, best first
            per_class = jnp.where(classes > 0, score[:, None], -jnp.inf)
            rank = jnp.argsort(jnp.argsort(-per_class, axis=0), axis=0)
            rank = jnp.sum(rank * classes, axis=1)
            score = jnp.where(jnp.isfinite(score), -rank + 1e-9 * score, -jnp.inf)
        picked = jax.lax.top_k(score, batch)[1]
        useful = (g[picked] < 0) | (not stop)
        allowed = useful & (inside[picked] == 0)
        return inside.at[picked].max(allowed.astype(inside.dtype))

    def step(inside, _):
        smoother = form(features, inside, l2)
        g = ridge.loo_derivative(smoother, targets, inside, inside, loss)
        best = jnp.min(jnp.where(inside > 0, jnp.inf, g))
        inside = choose(g, inside)
        return inside, (inside, best)

    return jax.lax.scan(step, core, length=rounds)[1]
