"""First rows of a round's head: linear classifiers on vectors of the encoder before it.

For each cluster a support vector machine with squared hinge loss, whose bias is regularised
as another weight, learns to tell nodes with a neighbour in the cluster from the others that
have its parent as a candidate (PECOS, "bootstrap: linear"). All clusters of one parent see
the same nodes and are solved together: Newton's method whose directions come from conjugate
gradients. Its preconditioner is the Hessian if all nodes were within the margin, which is the
same for all of them and is factored once (cf. Lin, Weng, Keerthi, JMLR 2008).

Differs: the released code asks for C = 100 and stops after 100 passes, far from the minimum.
At the minimum rows are so long that dropout alone makes a loss of 2.4 where it was 0.001
(citeseer, 64 clusters), and the encoder learns to undo that first; C = 1 is about as long as
where 100 passes end.
"""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.scipy import linalg

from iclr22 import errors
from iclr22.giant_xrt import candidates

Start = Literal["linear", "inherit", "none"]
STARTS = ("linear", "inherit", "none")
ROUND = 256  # nodes of a problem are a multiple of it
NEWTON, GRADIENTS = 60, 10  # steps at most, of Newton and within one of them
TOLERANCE = (
    3e-4  # of the gradient's norm, relative to where it began; and within a step
)
JITTER = 1e-6  # of the mean diagonal, added where the preconditioner is factored
FARTHEST, HALVINGS = 2.0, 12  # of the search for the length of a Newton step


def head(
    start: Start,
    parents,
    *,
    above: Any = None,
    labels: Any = None,
    vectors: Any = None,
    before: Any = None,
    cost: float = 1.0,
    most: int = 2**14,
    seed: int = 0,
) -> dict[str, np.ndarray] | None:
    """First `kernel [K + 1, h]` and `bias [K + 1]` of a level's head, the last row 0.

    Args:
      start: `linear`, as above; `inherit`, the parent's row; `none`: None is returned, and
        rows are drawn.
      parents: `[K]` cluster of the level above of each.
      above: bool CSR `[r, k]`, clusters above whose children are candidates of nodes.
      labels: CSR `[r, K]`.
      vectors: `[r, h]` of nodes, before this round.
      before: the head of the level above, for `inherit`.
      cost: C, what a node's loss counts.
      most: nodes that the clusters of a parent learn from; of those without a neighbour
        in any of them some are drawn, which is told.
      seed: of what is drawn.

    Raises:
      errors.InputError: an unknown start.
    """
    if start not in STARTS:
        raise errors.nearest(start, STARTS, "start of a head")
    if start == "none":
        return None
    if start == "inherit":
        rows = np.append(parents, -1)
        return {name: np.asarray(x)[rows] for name, x in before.items()}
    vectors = np.asarray(vectors, np.float32)
    found = np.zeros((len(parents) + 1, vectors.shape[1] + 1), np.float32)
    problems = _problems(np.asarray(parents), above, labels, most, seed)
    sizes = candidates.widths([len(rows) for _, rows, _ in problems], worth=ROUND * 64)
    order, most_children = -(-np.array(sizes) // ROUND) * ROUND, _most(problems)
    for clusters, rows, positive in problems:
        padded = int(order[np.searchsorted(order, len(rows))])
        x = np.zeros((padded, vectors.shape[1] + 1), np.float32)
        x[: len(rows), :-1], x[: len(rows), -1] = vectors[rows], 1
        y = np.zeros((most_children, padded), np.float32)
        y[: len(clusters), : len(rows)] = np.where(positive, 1, -1)
        found[clusters] = np.asarray(solve(x, y, cost))[: len(clusters)]
    return {"kernel": found[:, :-1].copy(), "bias": found[:, -1].copy()}


def _most(problems) -> int:
    return max(len(clusters) for clusters, _, _ in problems)


def _problems(parents, above, labels, most: int, seed: int):
    """`(clusters [c], nodes [m], positive bool [c, m])` of each parent that has any."""
    random, left = np.random.default_rng(seed), 0
    nodes_of, labels = above.tocsc(), labels.tocsc()
    found = []
    for parent in np.unique(parents):
        clusters = np.flatnonzero(parents == parent)
        rows = nodes_of.indices[nodes_of.indptr[parent] : nodes_of.indptr[parent + 1]]
        rows = np.sort(rows)
        own = labels[:, clusters]
        near = np.asarray((own > 0).sum(axis=1)).ravel()[rows] > 0
        if len(rows) > most:
            without = np.flatnonzero(~near)
            drop = min(len(rows) - most, len(without))
            rows = np.delete(rows, random.choice(without, drop, replace=False))
            left += drop
        if len(rows):
            found.append((clusters, rows, own.tocsr()[rows].toarray().T > 0))
    if left:
        logging.info("first rows of the head: %d negative nodes are left out", left)
    return found


@functools.partial(jax.jit, static_argnames="cost")
def solve(x, y, cost: float):
    """Weights `[c, d]` of c classifiers, the minima of
    `|w|^2 / 2 + cost * sum_i max(0, 1 - y_i w x_i)^2`.

    Args:
      x: `[m, d]`, the same for all; a column of ones for the bias.
      y: `[c, m]` 1 or -1, 0 where a node does not count, which is where it is padding.
    """
    real = (y != 0).any(axis=0).astype(x.dtype)
    whole = 2 * cost * (x * real[:, None]).T @ x
    scale = JITTER * jnp.trace(whole) / len(whole)
    factor = linalg.cho_factor(whole + (1 + scale) * jnp.eye(len(whole)))

    def one(y):
        return _newton(x, y, cost, lambda g: linalg.cho_solve(factor, g))

    return jax.vmap(one)(y)


def _newton(x, y, cost, precondition):
    counted = y != 0

    def slack(margin):
        return jnp.where(counted, jnp.maximum(0, 1 - y * margin), 0)

    def gradient(w, margin):
        return w - 2 * cost * x.T @ (y * slack(margin))

    def step(carry):
        w, margin, slope, count = carry
        active = (slack(margin) > 0).astype(x.dtype)

        def hessian(v):
            return v + 2 * cost * x.T @ (active * (x @ v))

        direction, _ = jax.scipy.sparse.linalg.cg(
            hessian, -slope, M=precondition, tol=TOLERANCE, maxiter=GRADIENTS
        )
        along = x @ direction
        flat = w @ direction, direction @ direction

        def rising(length):  # of the objective along the direction
            pull = slack(margin + length * along) * y
            return flat[0] + length * flat[1] - 2 * cost * pull @ along > 0

        def halve(_, ends):
            middle = ends.mean()
            return jnp.where(
                rising(middle), ends.at[1].set(middle), ends.at[0].set(middle)
            )

        ends = jnp.array([0, FARTHEST], x.dtype)
        length = jax.lax.fori_loop(0, HALVINGS, halve, ends)[0]
        w = w + length * direction
        margin = x @ w
        return w, margin, gradient(w, margin), count + 1

    w, margin = jnp.zeros(x.shape[1], x.dtype), jnp.zeros(len(x), x.dtype)
    begin = gradient(w, margin)
    enough = TOLERANCE * jnp.linalg.norm(begin)

    def going(carry):
        return (carry[3] < NEWTON) & (jnp.linalg.norm(carry[2]) > enough)

    return jax.lax.while_loop(going, step, (w, margin, begin, 0))[0]
