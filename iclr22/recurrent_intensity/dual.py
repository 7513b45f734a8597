"""Prices of items that match them with users: an entropic dual, and serving by it.

The linear programme max E[S pi], pi in [0, 1], E_y pi(x, .) <= alpha = k / |Y| of every
user and E_x pi(., y) at most (or at least) beta = C / |X| of every item, is smoothed by
an entropy of weight eps; then pi = sigmoid((s - u_x - v_y) / eps) and only u and v are
unknown (Ma, Liu and Deoras, ICLR 2022, OpenReview TZeArecH2Nf; constants are those of
the released code). A user's u follows from v alone, so the prices v serve users as they
come, one by one.

All of it runs in float32: scores are divided by their maximum, a saturated sigmoid is
what a small eps is to lead to, and bisection ends where float32 has no number between.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy import sparse

from iclr22 import errors
from iclr22.recurrent_intensity import budgets, matching, ranking
from iclr22.recurrent_intensity import scores as score
from iclr22.recurrent_intensity.scores import Array, Scores

ITERATIONS = 100  # of bisection, at most
EPSILON = 1e-10  # smoothing at the end
PAIRS = 1 << 22  # in a mini-batch of user states


class Prices(NamedTuple):
    """What an item costs (v > 0) or is subsidised by (v < 0); all that serving needs."""

    v: np.ndarray  # float32 [y], in units of the score; inf: the item is not served
    eps: float  # smoothing at the end, in units of the score
    scale: float  # maximum of the scores v was learned from
    alpha: float  # items of a user, as a share of all items (mean over users)
    beta: np.ndarray  # [y], or [2, y] for both bounds: users of an item, as a share
    bound: str  # upper, lower or both


def shadow_price(z, share, eps, sign: int = 1, tolerance=1e-6) -> jax.Array:
    """Root u of mean_j sigmoid((z_ij - u_i) / eps) = share_i, clipped to its sign.

    By bisection from [min z - eps logit(share), max z - eps logit(share)], which holds
    the root. For use inside jit.

    Args:
      z: `[n, m]`, score minus the other side's price; -inf: an excluded pair, which
        counts in the mean, but not in the bracket.
      share: `[n]`; outside (0, 1) the constraint is inactive and its price 0.
      eps: smoothing.
      sign: 1 for an upper bound (u >= 0), -1 for a lower one (u <= 0).
      tolerance: of the mean; the search ends when all rows are that close.
    """
    m = z.shape[1]
    active = (share > 0) & (share < 1)
    some = jnp.isfinite(z)
    reach = share * m / jnp.maximum(some.sum(1), 1)  # share of allowed pairs
    reach = jnp.clip(jnp.where(active, reach, 0.5), 1e-9, 1 - 1e-6)
    shift = eps * (jnp.log(reach) - jnp.log1p(-reach))
    low = jnp.min(jnp.where(some, z, jnp.inf), axis=1) - shift
    high = jnp.max(z, axis=1) - shift
    active &= low <= high  # there is a pair

    def unsettled(carry):
        i, low, high, u, gap = carry
        open_ = (gap > tolerance) & (low < u) & (u < high)
        return (i < ITERATIONS) & jnp.any(open_ & active)

    def halve(carry):
        i, low, high, u, _ = carry
        over = jax.nn.sigmoid((z - u[:, None]) / eps).mean(1) - share
        low, high = jnp.where(over > 0, u, low), jnp.where(over > 0, high, u)
        gap = jnp.abs(over)
        return i + 1, low, high, jnp.where(gap > tolerance, (low + high) / 2, u), gap

    start = 0, low, high, (low + high) / 2, jnp.full_like(low, jnp.inf)
    u = lax.while_loop(unsettled, halve, start)[3]
    u = jnp.maximum(u, 0) if sign > 0 else jnp.minimum(u, 0)
    return jnp.where(active, u, 0.0)


class _Problem(NamedTuple):
    """Arrays of a dual; scores are divided by `scale`."""

    scores: Scores
    scale: Array
    alpha: Array  # [x]
    low: Array  # [y], 0 where there is none
    high: Array  # [y], 0 where there is none
    closed: Array  # bool [y], items that may not be served
    tolerance: Array
    noise: Array | None  # 32 bits that break ties


def _rows(problem, rows):
    """Scaled scores of these rows; -inf where a pair is not allowed."""
    s = score.at_rows(problem.scores, rows)
    off = ~score.allowed(s) | problem.closed | (problem.alpha[rows] == 0)[:, None]
    s = ranking.with_noise(s, rows, problem.noise)
    return jnp.where(off, -jnp.inf, s / problem.scale)


def _update(problem, s, alpha, v, eps, bound):
    """Prices that suit this batch of user states best, given what v makes them pay."""
    u = shadow_price(s - v, alpha, eps, 1, problem.tolerance)
    z = (s - u[:, None]).T
    best = jnp.zeros_like(v)
    if bound != "lower":
        best += shadow_price(z, problem.high, eps, 1, problem.tolerance)
    if bound != "upper":
        best += shadow_price(z, problem.low, eps, -1, problem.tolerance)
    return best


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _learn(problem, key, bound, epochs, batch):
    """Prices in units of `scale` after annealing eps from 1 to `EPSILON`."""
    x, y = problem.scores.shape
    steps = -(-x // batch)
    kept = _rows(problem, jnp.arange(x)) if steps == 1 else None

    def step(v, rows, eps):
        s = _rows(problem, rows) if kept is None else kept
        best = _update(problem, s, problem.alpha[rows], v, eps, bound)
        return v - (v - best) / steps

    def epoch(v, i):
        eps = EPSILON ** ((i + 1) / epochs)
        order = jax.random.permutation(jax.random.fold_in(key, i), x)
        order = jnp.arange(x) if steps == 1 else order
        rows = jnp.resize(
            order, (steps, batch)
        )  # the last one is filled from the first
        return lax.scan(lambda v, r: (step(v, r, eps), None), v, rows)[0], None

    span = {"upper": (0.0, 1.0), "lower": (-1.0, 0.0), "both": (-1.0, 1.0)}[bound]
    start = jax.random.uniform(jax.random.fold_in(key, epochs), (y,), minval=span[0])
    start = span[0] + (span[1] - span[0]) * (start - span[0]) / (1 - span[0])
    v, _ = lax.scan(epoch, start, jnp.arange(epochs))
    return v


def online_prices(
    scores_valid: Scores,
    *,
    k,
    c,
    bound: str = "upper",
    key: jax.Array,
    users: int | None = None,
    epochs: int = 100,
    batch: int | None = None,
) -> Prices:
    """Prices of items, learned from a sample of user states, to serve others by.

    Args:
      scores_valid: of the sample V; its items are those to be served (`align` prices,
        or take columns of the scores, if they are not).
      k: most items of a user; one number or `[x]`; at least all items: no limit.
      c: users of an item among `users` states, at most ("upper") or at least ("lower");
        one number or `[y]`; for "both" the pair (least, most). An item whose upper bound
        is 0 is not served.
      bound: upper, lower or both.
      key: of the start, of mini-batches and of what breaks ties.
      users: how many user states will be served; None: as many as in the sample.
      epochs: over which eps falls from 1 to 1e-10, by a constant factor.
      batch: user states of a mini-batch; None: as many as `PAIRS` allow.

    The guarantee holds for the sample; on others, exposure differs as their visits do.

    Raises:
      errors.InputError: NaN scores, unknown bound, budgets that make no sense or cannot
        be met.
    """
    scores_valid = score.check(scores_valid)
    x, y = scores_valid.shape
    users = x if users is None else users
    k = budgets.budget("k", k, x, y, "items")
    low, high = budgets.limits(c, bound, y, users, float(np.mean(k)))
    scale = _scale(scores_valid)
    problem = _Problem(
        scores=jax.device_put(scores_valid),
        scale=np.asarray(scale, np.float32),
        alpha=np.asarray(k / y, np.float32),
        low=np.asarray(low / users, np.float32),
        high=np.asarray(high / users, np.float32),
        closed=(high == 0) & (bound != "lower"),
        tolerance=np.asarray(0.1 / max(x, y), np.float32),
        noise=ranking.noise_seed(jax.random.fold_in(key, epochs + 1)),
    )
    batch = min(x, max(1, PAIRS // y) if batch is None else batch)
    v = scale * np.asarray(_learn(problem, key, bound, epochs, batch))
    v = np.where(problem.closed, np.inf, v).astype(np.float32)
    beta = {"upper": high, "lower": low, "both": np.stack([low, high])}[bound] / users
    return Prices(v, EPSILON * scale, scale, float(np.mean(k) / y), beta, bound)


def _scale(scores):
    """Maximum of the scores, or 1 if nothing is above 0."""
    most = score.maximum(scores)
    if most == -math.inf:
        raise errors.InputError(
            "expected pairs to choose from; found all of them excluded"
        )
    return most if most > 0 else 1.0


def serve(scores: Scores, prices: Prices, k, *, key=None) -> sparse.csr_array:
    """The plan `[x, y]` for arriving users: those of the top k of s - v with s - v > u.

    Each user is on its own. Its u, the root of the bisection, is positive only if more
    than k items have s - v > 0; for the small eps at the end of annealing it then lies
    between the k-th and the next s - v, so u is not needed to find what is above it.

    Args:
      prices: of exactly the items in `scores`.
      k: most items of a user; one number or `[x]`.
      key: breaks ties; None: the first item wins.

    Raises:
      errors.InputError: prices of another number of items; k out of range.
    """
    x, y = scores.shape
    k = budgets.budget("k", k, x, y, "items")
    if len(prices.v) != y:
        raise errors.InputError(
            f"expected prices of the {y:,} items scored; found {len(prices.v):,}. Use "
            "align(prices, from_items, to_items)."
        )
    seed, most = ranking.noise_seed(key), math.ceil(k.max())
    scores, size, starts = score.blocks(scores)
    v = jnp.asarray(prices.v)
    chosen = [np.asarray(_serve(scores, v, i, size, most, seed)) for i in starts]
    columns = np.concatenate(chosen)[:x]
    columns = np.where(np.arange(most) < k[:, None], columns, -1)
    return matching.as_plan(columns, y)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _serve(scores, v, start, size, k, seed):
    s = score.block(scores, start, size)
    s = ranking.with_noise(s, start + jnp.arange(size), seed)
    z, columns = lax.top_k(s - v, k)
    return jnp.where(z > 0, columns, -1)


def align(prices: Prices, from_items, to_items, fill: float = 0.0) -> Prices:
    """Prices of other items, matched by name or number.

    Args:
      from_items: of the prices `[y]`.
      to_items: wanted `[z]`.
      fill: price of an item that has none; 0: neither dearer nor cheaper than it scores.

    Raises:
      errors.InputError: as many items as prices are expected, none of them twice.
    """
    from_items, to_items = np.asarray(from_items), np.asarray(to_items)
    order = np.argsort(from_items, kind="stable")
    ordered = from_items[order]
    if len(from_items) != len(prices.v) or np.any(ordered[1:] == ordered[:-1]):
        raise errors.InputError(
            f"expected {len(prices.v):,} different items, one per price; found "
            f"{len(from_items):,} items, {len(np.unique(from_items)):,} different"
        )
    place = order[np.minimum(np.searchsorted(ordered, to_items), len(order) - 1)]
    known = from_items[place] == to_items
    v = np.where(known, prices.v[place], fill).astype(np.float32)
    beta = np.where(known, prices.beta[..., place], 0.0)
    return prices._replace(v=v, beta=beta)
