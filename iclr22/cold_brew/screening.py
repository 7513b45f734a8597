"""Before training a student: is cold start hard on this graph, and is it worth it?

The feature contribution ratio (FCR) compares three families: features alone, labels
and graph, and both. Label propagation, the second family, is here.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from iclr22 import errors, graph, sparse

MATRICES = ("adjacency", "laplacian")
STEPS = (10, 20, 50, 100, 200)  # the three grids of the paper's appendix
ALPHAS = (0.01, 0.1, 0.5, 0.9, 0.99)
DOMINATED = 50.0  # FCR below which the graph matters more than the features
BEATEN = 100.0  # FCR above which features alone beat the graph model


class Propagation(NamedTuple):
    """What `search_label_propagation` finds; the first three go into the function.

    Attributes:
      steps, alpha, matrix: of the best; of equals the first in the order of the grid.
      accuracy: its validation accuracy in percent.
      table: `[matrices, steps, alphas]`, validation accuracy of all in percent.
    """

    steps: int
    alpha: float
    matrix: str
    accuracy: float
    table: np.ndarray


def feature_contribution_ratio(
    mlp: float, label_propagation: float, gnn: float
) -> float:
    """How much of what a graph model knows comes from the features, in percent.

    Args:
      mlp: test accuracy of the best feature-only model, in percent.
      label_propagation: of the best label propagation.
      gnn: of the best graph model.

    Returns:
      0..100 where the perceptron is at most as good as the graph model, 100..200 where
      it is better; NaN where label propagation reaches the graph model (then features
      contribute nothing that could be divided) or an accuracy is NaN.

    Raises:
      errors.InputError: an accuracy outside 0..100.

    Source: arXiv:2111.04840, equation 5.
    """
    for value in (mlp, label_propagation, gnn):
        if value < 0 or value > 100:
            raise errors.InputError(f"expected accuracies in percent; found {value}")
    over_mlp, over_labels = gnn - mlp, gnn - label_propagation
    if not over_labels > 0 or math.isnan(over_mlp):
        return math.nan
    if over_mlp >= 0:
        return 100 * over_labels / (over_mlp + over_labels)
    return 100 * (1 - over_mlp / (over_labels - over_mlp))


def reading(ratio: float) -> str:
    """One sentence that says what a feature contribution ratio means.

    Source: arXiv:2111.04840, section 4: below 50 the graph dominates.
    """
    if math.isnan(ratio):
        return (
            "FCR is undefined: label propagation is as good as the graph model (or an "
            "accuracy is missing), so tune the graph model before judging cold start."
        )
    if ratio < DOMINATED:
        return (
            f"FCR {ratio:.1f} %: the graph contributes more than the features, so nodes "
            "without edges will be hard."
        )
    if ratio <= BEATEN:
        return (
            f"FCR {ratio:.1f} %: the features contribute more than the graph, so nodes "
            "without edges can be predicted nearly as well as the others."
        )
    return (
        f"FCR {ratio:.1f} %: features alone beat the graph model; use a plain "
        "perceptron, or find out why the edges mislead."
    )


def label_propagation(
    whole,
    labels,
    train_mask,
    *,
    steps: int = 50,
    alpha: float = 0.5,
    matrix: str = "adjacency",
    self_loops: bool = True,
) -> jax.Array:
    """Class scores `[n, classes]` from labels and edges alone; the largest one wins.

    `r <- clip(alpha M r + (1 - alpha) g, 0, 1)`, from `r = g`, the one-hot labels of
    the training nodes and zero elsewhere. A node that nothing reaches keeps zeros, so
    its class is the first.

    Args:
      whole: `jraph.GraphsTuple`, with or without self loops.
      labels: `[n]` int; the highest one says how many classes there are.
      train_mask: `[n]` bool, whose labels are used; -1 never is.
      steps: any number without compiling again.
      alpha: share of the neighbours, in 0..1.
      matrix: "adjacency" is `A~ = D^-1/2 A D^-1/2`; "laplacian" is `I - L / 2 =
        (I + A~) / 2`, a step of heat diffusion by the normalised Laplacian `L`.
      self_loops: whether A has them.

    Raises:
      errors.InputError: shapes that do not fit, no usable label, numbers out of range,
        an unknown matrix.

    Source: arXiv:2111.04840, section 4 and appendix (search space). Differs: the
    paper's grid names the normalised Laplacian, but `M = L` sends each label to the
    neighbours with a minus sign, which the clip makes zero: nothing spreads (13 % on
    Cora), and the authors' code has no Laplacian. Adjacency with self loops, 50 steps
    and alpha 0.5 gives all three numbers of table 2: 78.18, 45.0 and 67.8.
    """
    _check(labels, train_mask, whole, (steps,), (alpha,), (matrix,))
    values, plan = _matrix(whole, self_loops)
    known = _one_hot(labels, train_mask)
    return _propagate(values, plan, known, matrix, steps, alpha)


def search_label_propagation(
    whole,
    labels,
    fit,
    valid,
    *,
    steps: tuple[int, ...] = STEPS,
    matrices: tuple[str, ...] = MATRICES,
    alphas: tuple[float, ...] = ALPHAS,
    self_loops: bool = True,
) -> Propagation:
    """The best label propagation of a grid, by accuracy on validation nodes.

    One pass of `max(steps)` per matrix, all alphas side by side in one product.

    Args:
      whole, labels, self_loops: as in `label_propagation`.
      fit, valid: `[n]` bool, nodes whose labels spread and nodes to choose on.
      steps, matrices, alphas: the grid; steps ascending.

    Raises:
      errors.InputError: as `label_propagation`; no labelled node in `valid`.
    """
    _check(labels, fit, whole, steps, alphas, matrices)
    labels = np.asarray(labels)
    judged = np.asarray(valid, bool) & (labels >= 0)
    if not judged.any():
        raise errors.InputError("expected labelled validation nodes; found none")
    if list(steps) != sorted(steps):
        raise errors.InputError(f"expected ascending steps; found {steps}")
    values, plan = _matrix(whole, self_loops)
    known, lengths = _one_hot(labels, fit), np.diff(steps, prepend=0)
    table = np.stack(
        [
            _search(
                values, plan, known, matrix, lengths, jnp.array(alphas), labels, judged
            )
            for matrix in matrices
        ]
    )
    i, j, k = np.unravel_index(np.argmax(table), table.shape)
    best = float(table[i, j, k])
    return Propagation(steps[j], alphas[k], matrices[i], best, table)


@functools.partial(jax.jit, static_argnames="matrix")
def _propagate(values, plan, known, matrix, steps, alpha):
    """Scores of `known` `[n, c]` after `steps`; `alpha` is a number or `[c]`."""
    body = functools.partial(_step, values, plan, known, matrix, alpha)
    return lax.fori_loop(0, steps, body, known)


@functools.partial(jax.jit, static_argnames="matrix")
def _search(values, plan, known, matrix, lengths, alphas, labels, judged):
    """Accuracy `[steps, alphas]` in percent; columns are alphas by classes."""
    n, classes = known.shape
    wide = jnp.tile(known, (1, len(alphas)))
    column_alphas = jnp.repeat(alphas, classes)
    body = functools.partial(_step, values, plan, wide, matrix, column_alphas)

    def more(scores, length):
        scores = lax.fori_loop(0, length, body, scores)
        chosen = scores.reshape(n, -1, classes).argmax(axis=2)
        right = (chosen == labels[:, None]) & judged[:, None]
        return scores, 100 * right.sum(axis=0) / judged.sum()

    return lax.scan(more, wide, lengths)[1]


def _step(values, plan, known, matrix, alpha, _, scores):
    spread = sparse.product(values, plan, scores)
    if matrix == "laplacian":
        spread = (scores + spread) / 2
    return jnp.clip(alpha * spread + (1 - alpha) * known, 0, 1)


def _matrix(whole, self_loops):
    """`A~` as values and plan."""
    clean = graph.select_edges(whole, whole.senders != whole.receivers)
    clean = graph.add_loops(clean) if self_loops else clean
    return graph.normalise(clean, clean.edges), graph.plan(clean)


def _one_hot(labels, mask):
    labels = np.asarray(labels)
    used = np.asarray(mask, bool) & (labels >= 0)
    known = np.zeros((len(labels), labels.max() + 1), np.float32)
    known[used, labels[used]] = 1
    return known


def _check(labels, mask, whole, steps, alphas, matrices):
    n = graph.size(whole.nodes)
    if np.shape(labels) != (n,) or np.shape(mask) != (n,):
        raise errors.InputError(
            f"expected labels and masks [{n}], one per node; found {np.shape(labels)} "
            f"and {np.shape(mask)}"
        )
    if not np.any(np.asarray(mask, bool) & (np.asarray(labels) >= 0)):
        raise errors.InputError("expected a labelled training node; found none")
    for name in matrices:
        if name not in MATRICES:
            raise errors.nearest(name, MATRICES, "matrix")
    if min(steps) < 0 or not all(0 <= alpha <= 1 for alpha in alphas):
        raise errors.InputError(
            f"expected steps >= 0 and alpha in 0..1; found {steps} and {alphas}"
        )
