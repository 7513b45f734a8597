"""Which items each user is to see, by any method, and what budgets cost in precision."""

import math

import jax
import numpy as np
from scipy import sparse

from iclr22 import errors
from iclr22.recurrent_intensity import budgets, matching, metrics
from iclr22.recurrent_intensity import scores as score
from iclr22.recurrent_intensity.dual import Prices, online_prices, serve
from iclr22.recurrent_intensity.scores import Scores

METHODS = ("topk", "greedy", "dual", "online")


def match(
    scores: Scores,
    *,
    k,
    c,
    method: str = "greedy",
    bound: str = "upper",
    prices: Prices | None = None,
    repair: bool = False,
    key: jax.Array | None = None,
) -> sparse.csr_array:
    """A plan `[x, y]` of ones: which items each user state is to see.

    Args:
      k: most items of a user; one number or `[x]`.
      c: users of an item, at most (`bound="upper"`) or at least (`"lower"`); one number
        or `[y]`; a pair (least, most) for `"both"`, which only prices can keep to.
      method: topk (ignores c), greedy, dual (prices learned from these very users) or
        online (`prices` from others, see `online_prices`).
      bound: of items.
      prices: for online.
      repair: whether users that follow prices exchange items until lower bounds are met
        (see `matching.repair`); needs all users at once, and few pairs.
      key: of ties and prices; None: key 0 for prices, the first item wins a tie.

    Raises:
      errors.InputError: NaN scores, unknown names, budgets that make no sense or cannot
        be met, missing prices.
    """
    if method not in METHODS:
        raise errors.nearest(method, METHODS, "method of matching")
    scores = score.check(scores)
    x, y = scores.shape
    if method == "topk":
        return matching.top_k(scores, k, key=key)
    mean = float(np.mean(budgets.budget("k", k, x, y, "items")))
    low, _ = budgets.limits(c, bound, y, x, mean)
    if method == "greedy":
        return matching.greedy(scores, k=k, c=c, bound=bound, key=key)
    if method == "dual":
        seeds = jax.random.key(0) if key is None else key
        prices = online_prices(scores, k=k, c=c, bound=bound, key=seeds)
    elif prices is None:
        raise errors.InputError(
            "method='online' needs prices; learn them by online_prices from earlier "
            "users, or use method='dual'"
        )
    plan = serve(scores, prices, k, key=key)
    if repair and bound != "upper":
        plan = matching.repair(plan, score.dense(scores) - prices.v, low)
    return plan


def tradeoff(
    scores: Scores,
    targets,
    multipliers,
    *,
    k: int,
    c: float,
    method: str = "online",
    valid: Scores | None = None,
    key: jax.Array,
) -> list[dict[str, float]]:
    """Precision, in events, against perplexity as bounds of items or users change.

    A multiplier m below 1 asks for at least c m users of every item, k items of a user
    fixed; one of 1 or more lets users have up to k m items, c users of an item at most.

    Args:
      targets: counts in the horizon, sparse `[x, y]`.
      multipliers: at least 0.
      method: greedy, dual or online.
      valid: scores of the sample from which online prices are learned, same items.

    Returns:
      One dict per multiplier: `multiplier` and what `metrics.plan_metrics` gives.

    Raises:
      errors.InputError: as in `match`; a negative multiplier; online without `valid`.
    """
    if method == "online" and valid is None:
        raise errors.InputError("method='online' needs the scores of a sample, valid")
    rows = []
    for m in multipliers:
        if not m >= 0:
            raise errors.InputError(f"expected multipliers of 0 or more; found {m}")
        plan, minimum = _at_multiplier(scores, m, k, c, method, valid, key)
        found = metrics.plan_metrics(plan, targets, minimum=minimum)
        rows.append({"multiplier": float(m)} | found)
    return rows


def _at_multiplier(scores, m, k, c, method, valid, key):
    """The plan at a multiplier, and the number of assignments its precision is out of."""
    x, y = scores.shape
    if m == 0:
        return match(scores, k=k, c=c, method="topk", key=key), x * k
    bound = "lower" if m < 1 else "upper"
    given = (k, c * m) if m < 1 else (min(y, math.ceil(k * m)), c)
    minimum = x * k if m < 1 else y * c
    prices = None
    if method == "online":
        prices = online_prices(
            valid, k=given[0], c=given[1], bound=bound, users=x, key=key
        )
    plan = match(
        scores,
        k=given[0],
        c=given[1],
        method=method,
        bound=bound,
        prices=prices,
        key=key,
    )
    return plan, minimum
