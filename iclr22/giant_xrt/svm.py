"""Many linear support vector machines at a time: squared hinge, by Newton's method.

Each problem has a column: min over w of |w|^2 / 2 + sum_i c_i max(0, 1 - y_i w.x_i)^2. The
objective is quadratic between kinks, so that few Newton steps do (Keerthi and DeCoste,
JMLR 2005); their directions come from conjugate gradients. It curves by 1 at least in every
direction, so half the squared gradient bounds what is left to gain: the accuracy of the
result is certain, not hoped for.
"""

from typing import Any, NamedTuple

import numpy as np

STEPS = 50  # of Newton's method, at most
INNER = 50  # conjugate gradients of a step, at most
FORCING = 0.1  # share of the gradient that a direction may leave


class Kernel(NamedTuple):
    """Weights as sums over instances, w = sum_i b_i x_i: for few instances.

    Attributes:
      products: `[..., n, n]` inner products of instances; leading axes are problems that do
        not share instances.
    """

    products: np.ndarray

    def forward(self, vector):
        """Margins `[..., n, k]` of weights."""
        return self.products @ vector

    def backward(self, values):
        """Weights of the sum over instances of a value times the instance."""
        return values

    def dot(self, one, other, margins):
        """Inner products of weights `[..., 1, k]`; margins are those of `other`."""
        return _dot(one, margins)


class Primal(NamedTuple):
    """Weights `[D, k]` themselves: for many instances.

    Attributes:
      features: `[n, D]` CSR, float64.
      flipped: `[D, n]` CSR, the same.
    """

    features: Any
    flipped: Any

    def forward(self, vector):
        return self.features @ vector

    def backward(self, values):
        return self.flipped @ values

    def dot(self, one, other, margins):
        return _dot(one, other)


def solve(space: Kernel | Primal, signs, costs, tolerance: float = 1e-3) -> np.ndarray:
    """Weights in a space that solve all columns.

    Args:
      space: how weights are written.
      signs: `[..., n, k]`, 1 of positives, -1 of others.
      costs: `[..., n, k]`; 0 takes an instance out of a problem.
      tolerance: each objective is at most this share above the smallest possible.

    Returns:
      `[..., n, k]` of `Kernel`, `[D, k]` of `Primal`, float64.
    """
    margins = np.zeros(signs.shape)
    weights = space.backward(margins)
    for _ in range(STEPS):
        slack = np.maximum(1 - signs * margins, 0)
        value = space.dot(weights, weights, margins) / 2
        value += _dot(costs * slack, slack)
        gradient = weights + space.backward(-2 * costs * signs * slack)
        ahead = space.forward(gradient)
        size = space.dot(gradient, gradient, ahead)
        open_ = size / 2 > tolerance * (value - size / 2)
        if not open_.any():
            break
        curvature = 2 * costs * (slack > 0)
        start = np.where(open_, gradient, 0), np.where(open_, ahead, 0)
        way, along = _direction(space, start, curvature, np.where(open_, size, 0))
        slope = space.dot(gradient, way, along)
        line = _Line(
            weights=value - _dot(costs * slack, slack),
            mixed=space.dot(weights, way, along),
            way=space.dot(way, way, along),
        )
        step = _step(line, signs, costs, margins, along, value, slope)
        weights, margins = weights + step * way, margins + step * along
    return weights


def _direction(space, gradient, curvature, size):
    """`(way, margins of it)` with (I + X' C X) way = -gradient, nearly; a column is finished
    when FORCING of its gradient is left."""
    rest, ahead = -gradient[0], -gradient[1]
    way, along = np.zeros_like(rest), np.zeros_like(ahead)
    turn, turned = rest.copy(), ahead.copy()
    enough, left = FORCING**2 * size, size
    for _ in range(INNER):
        live = left > enough
        if not live.any():
            break
        bent = curvature * turned
        curved = space.dot(turn, turn, turned) + _dot(bent, turned)
        share = np.where(live, left / np.where(curved > 0, curved, 1), 0)
        way += share * turn
        along += share * turned
        rest -= share * (turn + space.backward(bent))
        ahead = space.forward(rest)
        before, left = left, np.where(live, space.dot(rest, rest, ahead), 0)
        ratio = left / np.where(before > 0, before, 1)
        turn *= ratio
        turn += rest
        turned *= ratio
        turned += ahead
    return way, along


def _dot(one, other):
    """Inner products of columns, `[..., 1, k]`."""
    return np.einsum("...nk,...nk->...k", one, other)[..., None, :]


class _Line(NamedTuple):
    """|w + t d|^2 / 2 of a column is `weights + t mixed + t^2 way / 2`."""

    weights: np.ndarray
    mixed: np.ndarray
    way: np.ndarray


def _step(line, signs, costs, margins, along, value, slope):
    """1, halved until the objective falls by enough."""
    step = np.where(slope < 0, 1.0, 0.0)
    for _ in range(30):
        slack = np.maximum(1 - signs * (margins + step * along), 0)
        found = line.weights + step * line.mixed + step**2 * line.way / 2
        found = found + _dot(costs * slack, slack)
        high = found > value + 1e-4 * step * slope + 1e-12 * value
        if not high.any():
            break
        step = np.where(high, step / 2, step)
    return step


def gram(features: Any) -> np.ndarray:
    """Inner products `[n, n]` of sparse rows, float64.

    Columns in many rows, whose products fill the result, are multiplied as dense ones.
    """
    features = features.tocsc()
    count = features.shape[0]
    often = np.diff(features.indptr) > max(count / 8, 16)
    rare: Any = features[:, np.flatnonzero(~often)].tocsr()
    found = (rare @ rare.T).toarray().astype(np.float64)
    columns = np.flatnonzero(often)
    for begin in range(0, len(columns), 1024):
        block = features[:, columns[begin : begin + 1024]].toarray()
        found += block @ block.T
    return found


def objective(features: Any, signs, costs, weights) -> np.ndarray:
    """What `solve` minimises, `[k]`, of weights `[D, k]`."""
    slack = np.maximum(1 - signs * (features @ weights), 0)
    return (weights**2).sum(0) / 2 + (costs * slack**2).sum(0)
