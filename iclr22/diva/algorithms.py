"""What to do with a dataset derivative: detect, reweight, extend, aggregate.

Source: arXiv:2111.09785, section 5.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, precision
from iclr22.diva import ridge
from iclr22.diva.closed_form import (
    assess,
    choose_l2,
    derivative,
    get_loss,
    leave_one_out,
    relabel_derivative,
)

DETECTION_L2 = 30.0  # detection wants a stiffer model than prediction does
PATH = (1.0, 3.0, 10.0, 30.0)  # multiples of the best penalty for the path score
SCORES = ("derivative", "trusted", "path", "relabel")


class Detection(NamedTuple):
    """Result of `detect`; all arrays `[n]` unless said otherwise.

    Attributes:
      score: what the ranking is by, higher means more harmful.
      flagged: True where the score exceeds the threshold.
      order: indices from most to least harmful.
      residual: squared norm of the leave-one-out residual.
      predictions: `[n, k]`, leave-one-out predictions.
      l2: the penalty used.
    """

    score: np.ndarray
    flagged: np.ndarray
    order: np.ndarray
    residual: np.ndarray
    predictions: np.ndarray
    l2: float


class Reweighting(NamedTuple):
    """Result of `reweight`: weights `[n]`, the trail of them and its losses.

    Attributes:
      weights: the chosen weights.
      trail: `[steps + 1, n]`, weights after each step, the start first.
      losses: `[steps + 1]`, leave-one-out loss at each of them.
    """

    weights: np.ndarray
    trail: np.ndarray
    losses: np.ndarray


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


def one_hot(labels, classes: int | None = None, scale: float = 1.0) -> np.ndarray:
    """Targets `[n, classes]` from integer labels `[n]`, `scale` at the label.

    Raises:
      errors.InputError: labels that are not whole numbers in `0 .. classes - 1`.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.array_equal(labels, labels.astype(np.int64)):
        raise errors.InputError(
            f"expected whole-number labels [n]; found {labels.dtype} {labels.shape}"
        )
    labels = labels.astype(np.int64)
    classes = int(labels.max()) + 1 if classes is None else classes
    if labels.min() < 0 or labels.max() >= classes:
        raise errors.InputError(
            f"labels must lie in 0 .. {classes - 1}; found "
            f"{labels.min()} .. {labels.max()}"
        )
    return scale * np.eye(classes)[labels]


def detect(
    features,
    targets,
    weights=None,
    *,
    score="path",
    l2=None,
    loss=None,
    threshold=0.0,
    top_fraction=None,
    validation_weights=None,
) -> Detection:
    """Find examples that hurt: wrong labels, outliers, over-represented data.

    A class with a single example cannot be predicted by a model that never saw it, so
    that example always ranks high: read it as "unsupported", not as "wrong". Exact
    duplicates vouch for each other's label: remove them, or use `derivative` with
    `groups`.

    Args:
      features: `[n, p]`; targets: `[n, k]`; weights: `[n]`, ones by default.
      score: what to rank by.
        `derivative`: the paper's, at one penalty.
        `trusted`: the same once more, validated only on examples whose derivative was
          not positive, since wrong labels make bad judges.
        `path`: averaged, standardised, over penalties from the one that predicts best
          to 30 times it and over two losses, `trusted` squared error and
          cross-entropy. The default: ranks best on the data sets of the study.
        `relabel`: the best improvement by moving the example to another class, trusted
          as above (`relabel_derivative`); flags too many at zero.
      l2: penalty (for `path` and `relabel` the smallest one). By default the one that
        predicts best (`choose_l2`), times 30 for `derivative` and `trusted`: a stiffer
        model is harder for a wrong label to bend.
      loss: as in `derivative`; by default `mse`, for `relabel` `cross_entropy`. Not used
        by `path`.
      threshold: scores above it are flagged (the paper's epsilon).
      top_fraction: flag this share of the data instead, whatever its score.
      validation_weights: `[n]`, as in `derivative`.
    """
    if score not in SCORES:
        raise errors.nearest(score, SCORES, "score")
    n = len(features)
    weights = np.ones(n) if weights is None else np.asarray(weights)
    valid = np.ones(n) if validation_weights is None else np.asarray(validation_weights)
    loss = loss or ("cross_entropy" if score == "relabel" else "mse")
    if l2 is None:
        l2 = choose_l2(features, targets, weights, validation_weights=valid).l2
        l2 *= DETECTION_L2 if score in ("derivative", "trusted") else 1.0
    data = (np.asarray(features), np.asarray(targets), weights)
    values = _score(score, data, l2, loss, valid)
    order = np.argsort(-values, kind="stable")
    flagged = values > threshold
    if top_fraction is not None:
        flagged = np.zeros(n, bool)
        flagged[order[: round(top_fraction * n)]] = True
    predictions = leave_one_out(*data, l2)
    residual = np.sum((data[1] - predictions) ** 2, axis=1)
    return Detection(values, flagged, order, residual, predictions, float(l2))


def _score(score, data, l2, loss, valid):
    options = {
        "loss": loss,
        "validation_weights": valid,
        "trusted": score != "derivative",
    }
    if score == "relabel":
        moves = np.array(relabel_derivative(*data, l2, **options))
        moves[data[1] > 0] = np.inf
        return -np.min(moves, axis=1)
    if score == "path":
        options = {"validation_weights": valid}
        each = [
            assess(
                *data, m * l2, loss=kind, trusted=kind == "mse", **options
            ).derivative
            for m in PATH
            for kind in ("mse", "cross_entropy")
        ]
        return np.mean([g / np.std(g) for g in each], axis=0)
    return np.asarray(assess(*data, l2, **options).derivative)


def reweight(
    features,
    targets,
    weights=None,
    *,
    l2,
    loss="mse",
    steps=1,
    step_size=0.5,
    rule="std",
    max_weight=3.0,
    renormalise=False,
    keep_best=True,
    halve=True,
    validation_weights=None,
) -> Reweighting:
    """Gradient steps on the weights, down the leave-one-out loss.

    One step is the safe default: the loss is an unbiased estimate only at the start.
    More steps zig-zag and over-fit it (ten steps raise the test error on digits), so
    each further step is halved and the iterate with the least loss is kept.

    Args:
      rule: `std` divides the derivative by its standard deviation at the start, so that
        `step_size` is in units of typical weights; `raw` is the paper's plain step
        (0.1 there), whose effect depends on the scale of the loss.
      max_weight: upper clip of the weights; the lower is 0.
      renormalise: rescale to the initial sum of weights after every step.
      keep_best: return the iterate with the smallest leave-one-out loss, not the last.
      halve: halve the step size after each step.
      The rest as in `derivative`.
    """
    if rule not in ("std", "raw"):
        raise errors.nearest(rule, ("std", "raw"), "rule")
    weights = np.ones(len(features)) if weights is None else np.asarray(weights, float)
    valid = np.ones(len(features)) if validation_weights is None else validation_weights
    options = {"loss": loss, "validation_weights": valid}
    now = assess(features, targets, weights, l2, **options)
    scale = float(np.std(now.derivative)) if rule == "std" else 1.0
    if scale == 0:
        raise errors.InputError(
            "the derivative is constant: there is nothing to reweight"
        )
    trail, losses = [weights], [float(now.loss)]
    for step in range(steps):
        size = step_size * 0.5**step if halve else step_size
        moved = np.clip(trail[-1] - size * now.derivative / scale, 0, max_weight)
        if renormalise:
            moved *= weights.sum() / moved.sum()
        now = assess(features, targets, moved, l2, **options)
        trail.append(moved)
        losses.append(float(now.loss))
    # The first step is taken on trust; later ones must lower the loss.
    best = 1 + int(np.argmin(losses[1:])) if keep_best and steps else steps
    return Reweighting(trail[best], np.stack(trail), np.asarray(losses))


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
    core = np.asarray(core, bool)
    if core.shape != (len(features),) or not core.any() or core.all():
        raise errors.InputError(
            f"expected a bool mask [{len(features)}] with both core (True) and pool "
            f"(False); found shape {core.shape} with {core.sum()} True"
        )
    most = int(np.ceil((~core).sum() / batch))
    rounds = most if rounds is None else min(rounds, most)
    classes = None if labels is None else one_hot(labels)
    # One derivative through the public door checks the input before the long loop.
    derivative(features, targets, core.astype(float), l2, loss=loss)
    weights, best = _extend(
        features,
        targets,
        core.astype(np.float64),
        l2,
        classes,
        batch=batch,
        rounds=rounds,
        loss=get_loss(loss),
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


def aggregate(
    features,
    targets,
    sources,
    *,
    l2,
    loss="mse",
    step_size=1.0,
    max_weight=3.0,
    validation_weights=None,
):
    """Weight several sources of data against each other.

    All examples of a source share one weight; its derivative is the sum of theirs.

    Args:
      sources: `[n]` source ids; the rest as in `reweight`.

    Returns:
      `(ids [s], weights [s], derivatives [s])`: one step from weights of 1, sized so that
      the source with the steepest derivative per example moves by `step_size`; a weight
      of 0 means "leave this source out". Derivatives are sums over each source.
    """
    ids, member = np.unique(np.asarray(sources), return_inverse=True)
    if len(ids) < 2:
        raise errors.InputError(f"expected at least two sources; found {ids.tolist()}")
    g = derivative(
        features,
        targets,
        np.ones(len(features)),
        l2,
        loss=loss,
        validation_weights=validation_weights,
    )
    total = np.bincount(member, weights=g)
    mean = total / np.bincount(member)
    weights = np.clip(1 - step_size * mean / np.abs(mean).max(), 0, max_weight)
    return ids, weights, total


def augmentation_probabilities(weights, transforms):
    """Share of the total weight on each transform, `(ids [t], probabilities [t])`.

    Build the set as the originals plus one transformed copy for each transform,
    reweight it, then sample augmentations with these probabilities (section 5.4).
    """
    ids, member = np.unique(np.asarray(transforms), return_inverse=True)
    total = np.bincount(member, weights=np.asarray(weights))
    return ids, total / total.sum()
