"""Plans that assign items to user states: the k best, and greedily under budgets.

A plan is a sparse matrix of ones `[x, y]`. Definitions are those of the released code of
Ma, Liu and Deoras (ICLR 2022, OpenReview TZeArecH2Nf).
"""

import math

import numpy as np
from scipy import sparse

from iclr22 import errors
from iclr22.recurrent_intensity import budgets, ranking
from iclr22.recurrent_intensity import scores as score
from iclr22.recurrent_intensity.scores import Scores

CHUNK = 1 << 16  # sorted pairs among which budgets are settled at once


def as_plan(columns, items: int) -> sparse.csr_array:
    """The plan `[x, items]` of the chosen columns `[x, k]` of each row; -1 is none."""
    columns = np.asarray(columns)
    rows = np.repeat(np.arange(len(columns)), columns.shape[1])
    keep = columns.ravel() >= 0
    return _plan(rows[keep], columns.ravel()[keep], (len(columns), items))


def _plan(rows, columns, shape):
    ones = np.ones(len(rows), np.float32)
    return sparse.csr_array((ones, (rows, columns)), shape=shape)


def top_k(scores: Scores, k, *, key=None) -> sparse.csr_array:
    """The plan that gives every user the k best items, whatever the items' budgets.

    Args:
      k: number of items of a user, or of each user `[x]`.
      key: breaks ties.
    """
    x, y = scores.shape
    k = budgets.budget("k", k, x, y, "items")
    _, columns = ranking.top_items(scores, math.ceil(k.max()), key=key)
    within = np.arange(columns.shape[1]) < k[:, None]
    return as_plan(np.where(within, columns, -1), y)


def greedy(scores: Scores, *, k, c, bound: str = "upper", key=None) -> sparse.csr_array:
    """Takes the pairs from the best score down while budgets remain.

    Args:
      k: most items of a user; one number or `[x]`.
      c: users of an item, at most (`bound="upper"`) or at least (`"lower"`); one number
        or `[y]`.
      key: breaks ties.

    `lower`: a first pass serves min_total = min(sum k, sum c) assignments, spread evenly:
    min_k = min(k, ceil(min_total / x)) of a user and min_c = min(c, ceil(min_total / y))
    of an item. A second pass fills what the first left open on one side: users up to k
    without a limit of items if some k > min_k, else items up to c without a limit of
    users. Budgets that are not whole are rounded up.

    Raises:
      errors.InputError: unknown bound; budgets that make no sense; too many pairs to
        sort.
    """
    x, y = scores.shape
    if bound not in ("upper", "lower"):
        raise errors.nearest(bound, ("upper", "lower"), "bound of greedy matching")
    k = np.ceil(budgets.budget("k", k, x, y, "items")).astype(np.int64)
    c = np.ceil(budgets.budget("c", c, y, x, "users")).astype(np.int64)
    pairs = _sorted_pairs(scores, key)
    if bound == "upper":
        taken = take(pairs, k, c)
    else:
        taken = _take_least(pairs, k, c)
    rows, columns = np.divmod(pairs[taken], y)
    return _plan(rows, columns, (x, y))


def _take_least(pairs, k, c):
    """Which pairs are taken under lower bounds of items, see `greedy`."""
    x, y = len(k), len(c)
    total = min(k.sum(), c.sum())
    least_k = np.minimum(k, -(-total // x))
    least_c = np.minimum(c, -(-total // y))
    taken = take(pairs, least_k, least_c)
    rows, columns = np.divmod(pairs[taken], y)
    left = np.flatnonzero(~taken)
    if np.any(k > least_k):
        k_left, c_left = k - np.bincount(rows, minlength=x), np.full(y, x)
    else:
        k_left, c_left = np.full(x, y), c - np.bincount(columns, minlength=y)
    taken[left[take(pairs[left], k_left, c_left)]] = True
    return taken


def _sorted_pairs(scores, key):
    """Numbers row * y + column of pairs that are not excluded, best score first."""
    s = score.dense(scores)
    if key is not None:
        rows = np.arange(len(s))
        s = np.asarray(ranking.with_noise(s, rows, ranking.noise_seed(key)))
    s = s.ravel()
    order = np.argsort(-s, kind="stable")
    return order[: np.count_nonzero(score.allowed(s))]


def take(pairs, k, c) -> np.ndarray:
    """Which of the pairs, in this order, find budget of row and column left.

    The same as a loop over pairs. Chunks are settled in rounds: of the pairs still open,
    those with fewer open pairs before them in their row, and in their column, than there
    is budget are taken whatever happens to those before them; pairs without budget drop
    out; the first open pair is always settled, so rounds end.

    Args:
      pairs: int `[n]`, row * y + column.
      k: int `[x]`, budgets of rows.
      c: int `[y]`, budgets of columns.

    Returns:
      bool `[n]`.
    """
    k, c = np.array(k), np.array(c)
    taken = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), CHUNK):
        if not k.any() or not c.any():
            break
        rows, columns = np.divmod(pairs[start : start + CHUNK], len(c))
        open_ = np.arange(len(rows))
        while True:
            alive = (k[rows[open_]] > 0) & (c[columns[open_]] > 0)
            open_ = open_[alive]
            if not len(open_):
                break
            r, q = rows[open_], columns[open_]
            sure = (_before(r) < k[r]) & (_before(q) < c[q])
            k -= np.bincount(r[sure], minlength=len(k))
            c -= np.bincount(q[sure], minlength=len(c))
            taken[start + open_[sure]] = True
            open_ = open_[~sure]
    return taken


def repair(plan, z, least) -> sparse.csr_array:
    """The plan after exchanges that lift items to their least number of users.

    In every round each user may give up the worst of its items that has users to spare
    for one that lacks users; the cheapest exchanges are made. Users keep the number of
    their items. Ends when nothing lacks, or nothing can be exchanged any more.

    Args:
      plan: sparse `[x, y]` of ones.
      z: `[x, y]`, value of pairs, score minus price; `EXCLUDED` or less is not allowed.
      least: `[y]`, users an item needs.
    """
    chosen = np.asarray(plan.toarray()) > 0
    least = np.ceil(least).astype(np.int64)
    users = np.arange(len(z))
    while True:
        count = chosen.sum(0)
        lack, spare = np.maximum(least - count, 0), np.maximum(count - least, 0)
        worst = np.where(chosen & (spare > 0), z, np.inf)
        given = worst.argmin(1)
        able = np.flatnonzero(np.isfinite(worst[users, given]))
        wanted = np.flatnonzero(lack)
        cost = worst[able, given[able]][:, None] - z[np.ix_(able, wanted)]
        off = chosen[np.ix_(able, wanted)] | ~score.allowed(z[np.ix_(able, wanted)])
        order = np.argsort(np.where(off, np.inf, cost).ravel(), kind="stable")
        order = order[: np.count_nonzero(~off)]
        order = order[take(order, np.ones(len(able), int), lack[wanted])]
        rows, columns = np.divmod(order, max(len(wanted), 1))
        rows, columns = able[rows], wanted[columns]
        fits = _before(given[rows]) < spare[given[rows]]
        rows, columns = rows[fits], columns[fits]
        if not len(rows):
            rows, columns = np.nonzero(chosen)
            return _plan(rows, columns, chosen.shape)
        chosen[rows, given[rows]] = False
        chosen[rows, columns] = True


def trim(plan, z, most) -> sparse.csr_array:
    """The plan without the worst users of items that have more than they may.

    Args:
      plan: sparse `[x, y]` of ones.
      z: `[x, y]`, value of pairs.
      most: `[y]`, users an item may have.
    """
    place = sparse.coo_array(plan)
    rows, columns = place.coords
    order = np.argsort(-np.asarray(z)[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    kept = _before(columns) < np.asarray(most)[columns]
    return _plan(rows[kept], columns[kept], plan.shape)


def _before(group):
    """How many earlier entries of `group` `[n]` are equal to each."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.diff(ordered, prepend=-1) != 0
    place = np.arange(len(group))
    count = np.empty(len(group), np.int64)
    count[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return count
