"""Weighted ridge regression, leave-one-out predictions and the dataset derivative.

Everything here is a closed form; nothing differentiates through a solve. One operator
carries both sides of the method: the smoother `Z C Z'`, `C = (Z' D Z + l2 I)^-1`,
`D = diag(weights)`. The primal form never builds it (cost n m^2), the dual form does
(cost n^3); the formulas on top of it are written once.

Source: Dukler et al., "DIVA: Dataset Derivative of a Learning Task", ICLR 2022,
arXiv:2111.09785, sections 3 and 4, equations 5 to 13.

Differs: the paper prints the leave-one-out form that divides by sqrt(weight), which is
0/0 for an example of weight zero. The form used here is the same number and stays valid
at zero, where Extend starts.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular

from iclr22.diva import products
from iclr22.diva.losses import Loss

GUARD = 1e-10  # smallest 1 - leverage that is divided by
ILL_CONDITIONED = 1e12  # above this bound an eigendecomposition replaces Cholesky


class Smoother(NamedTuple):
    """The operator `S = Z C Z'` of a weighted ridge problem with n examples.

    Attributes:
      diagonal: `[n]`, the entries `S_ii`.
      slack: `[n]`, one minus the leverage, `1 - weight_i S_ii`, in (0, 1].
      residuals: function of targets `[n, k]`, giving `Y - S D Y`.
      matmul: function of `[n, c]`, giving `S x`.
      squared_matmul: function of `[n]`, giving `(S * S) x`, elementwise square.
    """

    diagonal: jax.Array
    slack: jax.Array
    residuals: Callable[[jax.Array], jax.Array]
    matmul: Callable[[jax.Array], jax.Array]
    squared_matmul: Callable[[jax.Array], jax.Array]


def condition_bound(covariance, l2):
    """Upper bound of the condition number of `covariance + l2 I`; infinite at l2 = 0."""
    return (jnp.trace(covariance) + l2) / l2


def inverse(covariance, l2):
    """`(covariance + l2 I)^-1` `[m, m]`; by eigenvectors where Cholesky would fail."""
    m = covariance.shape[0]
    identity = jnp.eye(m, dtype=covariance.dtype)

    def by_cholesky(a):
        return cho_solve((jnp.linalg.cholesky(a + l2 * identity), True), identity)

    def by_eigenvectors(a):
        values, vectors = jnp.linalg.eigh(a)
        return (vectors / _raised(values, l2)) @ vectors.T

    bad = ~(condition_bound(covariance, l2) < ILL_CONDITIONED)
    return jax.lax.cond(bad, by_eigenvectors, by_cholesky, covariance)


def whitened(features, covariance, l2):
    """`W [n, m]` with `W W' = Z (covariance + l2 I)^-1 Z'` for features Z `[n, m]`; by
    eigenvectors where Cholesky would fail."""
    m = covariance.shape[0]

    def by_cholesky(a):
        factor = jnp.linalg.cholesky(a + l2 * jnp.eye(m, dtype=a.dtype))

        def solve(z):
            return solve_triangular(factor, z.T, lower=True).T

        return products.by_rows(solve, features)

    def by_eigenvectors(a):
        values, vectors = jnp.linalg.eigh(a)
        return features @ (vectors / jnp.sqrt(_raised(values, l2)))

    bad = ~(condition_bound(covariance, l2) < ILL_CONDITIONED)
    return jax.lax.cond(bad, by_eigenvectors, by_cholesky, covariance)


def _raised(values, l2):
    """Eigenvalues of the covariance plus the penalty, all above zero."""
    floor = jnp.finfo(values.dtype).eps * len(values) * values[-1]
    return jnp.maximum(values, 0) + jnp.maximum(l2, floor)


def primal(features, weights, l2) -> Smoother:
    """Smoother from features `[n, m]`: a product, a triangular solution, and two products
    for `squared_matmul`, each about n m^2 / 2 multiplications; no n x n array."""
    white = whitened(features, products.in_chunks(features, weights), l2)
    diagonal = jnp.sum(white**2, axis=1)

    def matmul(x):
        return white @ (white.T @ x)

    def squared_matmul(x):
        curvature = products.in_chunks(white, x)

        def form(w):
            return products.quadratic_form(w, curvature)

        return products.by_rows(form, white)

    def residuals(targets):
        return targets - matmul(weights[:, None] * targets)

    slack = 1 - weights * diagonal
    return Smoother(diagonal, slack, residuals, matmul, squared_matmul)


def dual(gram, weights, l2) -> Smoother:
    """Smoother from a Gram matrix `[n, n]`; valid for zero weights."""
    n = gram.shape[0]
    root = jnp.sqrt(weights)
    scaled = root[:, None] * gram
    bad = ~(condition_bound(scaled * root, l2) < ILL_CONDITIONED)

    def by_cholesky(scaled):
        kernel = scaled * root + l2 * jnp.eye(n, dtype=gram.dtype)
        half = solve_triangular(jnp.linalg.cholesky(kernel), scaled, lower=True)
        return (gram - half.T @ half) / l2

    def by_eigenvectors(scaled):
        values, vectors = jnp.linalg.eigh(scaled * root)
        half = (vectors / jnp.sqrt(jnp.maximum(values, 0) + l2)).T @ scaled
        return (gram - half.T @ half) / l2

    s = jax.lax.cond(bad, by_eigenvectors, by_cholesky, scaled)
    diagonal = jnp.diagonal(s)
    return Smoother(
        diagonal,
        1 - weights * diagonal,
        lambda targets: targets - s @ (weights[:, None] * targets),
        lambda x: s @ x,
        lambda x: jnp.sum(s * s * x, axis=1),
    )


def dual_positive(gram, weights, l2) -> Smoother:
    """Smoother from a Gram matrix `[n, n]` when no weight is near zero.

    With `B = (l2 I + sqrt(D) K sqrt(D))^-1` all that is needed follows without a
    difference of large numbers: `1 - h = l2 diag(B)`, `Y - F = l2 D^-1/2 B D^1/2 Y`.
    """
    root = jnp.sqrt(weights)
    b = spd_inverse(
        root[:, None] * gram * root + l2 * jnp.eye(gram.shape[0], dtype=gram.dtype)
    )
    slack = l2 * jnp.diagonal(b)
    diagonal = (1 - slack) / weights

    def residuals(targets):
        return l2 * (b @ (root[:, None] * targets)) / root[:, None]

    def matmul(x):
        return (x / root[:, None] - l2 * (b @ (x / root[:, None]))) / root[:, None]

    def squared_matmul(x):
        off = jnp.sum(b * b * (x / weights), axis=1) - slack**2 / l2**2 * x / weights
        return l2**2 * off / weights + diagonal**2 * x

    return Smoother(diagonal, slack, residuals, matmul, squared_matmul)


def spd_inverse(matrix):
    """Inverse of a positive definite `[n, n]`, halved recursively into products.

    4/3 n^3 flops, nearly all of them matrix products, so that it runs at full speed
    on every device and shards over several.
    """
    n = matrix.shape[0]
    if n <= 2 * products.BLOCK:
        identity = jnp.eye(n, dtype=matrix.dtype)
        return cho_solve((jnp.linalg.cholesky(matrix), True), identity)
    h = n // 2
    first = spd_inverse(matrix[:h, :h])
    cross = matrix[h:, :h] @ first
    second = spd_inverse(matrix[h:, h:] - cross @ matrix[:h, h:])
    lower = -second @ cross
    return jnp.block([[first - cross.T @ lower, lower.T], [lower, second]])


def loo_residuals(smoother: Smoother, targets):
    """`y_i` minus the prediction of the model trained without i, `[n, k]` (eq. 10)."""
    slack = jnp.maximum(smoother.slack, GUARD)[:, None]
    return smoother.residuals(targets) / slack


def loo_loss(residuals, targets, validation_weights, loss: Loss):
    """Sum over examples of the leave-one-out loss, a scalar."""
    values = jax.vmap(loss)(targets - residuals, targets)
    return jnp.sum(validation_weights * values)


def sensitivities(residuals, slack, targets, validation_weights, loss: Loss):
    """What the derivatives start from: `(P [n, k], q [n])`.

    With u = E / (1 - h) the leave-one-out residual and G the gradient of the loss at the
    leave-one-out prediction: P = G / (1 - h), q = <P, u>.
    """
    slack = jnp.maximum(slack, GUARD)[:, None]
    left_out = residuals / slack
    gradient = jax.vmap(jax.grad(loss))(targets - left_out, targets)
    p = validation_weights[:, None] * gradient / slack
    return p, jnp.sum(p * left_out, axis=1)


def loo_derivative(smoother: Smoother, targets, weights, validation_weights, loss):
    """Gradient of the summed leave-one-out loss in the weights, `[n]`.

    `g = rowsum(E * (S P)) + (S * S)(D q) - diag(S) q`, the closed form of section 4.
    """
    residuals = smoother.residuals(targets)
    p, q = sensitivities(residuals, smoother.slack, targets, validation_weights, loss)
    direct = jnp.sum(residuals * smoother.matmul(p), axis=1)
    return direct + smoother.squared_matmul(weights * q) - smoother.diagonal * q


def relabel_derivative(smoother: Smoother, targets, labels, validation_weights, loss):
    """Derivative of the leave-one-out loss of all others as weight changes its label.

    Entry (i, c) is the derivative as weight moves from `(z_i, y_i)` to `(z_i, labels_c)`;
    the terms of z_i alone cancel, which leaves `<labels_c - y_i, (S P)_i - S_ii P_i>`.

    Args:
      labels: `[c, k]` candidate targets, for classes the one-hot rows.

    Returns:
      `[n, c]`; negative where the other examples would be predicted better.
    """
    residuals = smoother.residuals(targets)
    p, _ = sensitivities(residuals, smoother.slack, targets, validation_weights, loss)
    pull = smoother.matmul(p) - smoother.diagonal[:, None] * p
    return pull @ labels.T - jnp.sum(pull * targets, axis=1, keepdims=True)


def holdout_derivative(
    features, targets, weights, l2, valid_features, valid_targets, valid_weights, loss
):
    """Gradient of the summed loss on a held-out set in the training weights, `[n]`.

    Proposition 2 of the paper with its transposes corrected. It equals the influence
    function of Koh and Liang (2017) for the weighted ridge objective.
    """
    c = inverse(products.symmetric_product(features, weights), l2)
    coefficients = c @ (features.T @ (weights[:, None] * targets))
    gradient = jax.vmap(jax.grad(loss))(valid_features @ coefficients, valid_targets)
    pulled = c @ (valid_features.T @ (valid_weights[:, None] * gradient))
    return jnp.sum((targets - features @ coefficients) * (features @ pulled), axis=1)


def solve(features, targets, weights, l2):
    """Weighted ridge coefficients `[m, k]` (eq. 5), from the smaller of both forms."""
    n, m = features.shape
    root = jnp.sqrt(weights)[:, None]
    z, y = root * features, root * targets
    wide = m > n
    matrix, right = (z @ z.T, y) if wide else (z.T @ z, z.T @ y)

    def by_cholesky(a):
        identity = jnp.eye(a.shape[0], dtype=a.dtype)
        return cho_solve((jnp.linalg.cholesky(a + l2 * identity), True), right)

    bad = ~(condition_bound(matrix, l2) < ILL_CONDITIONED)
    x = jax.lax.cond(bad, lambda a: inverse(a, l2) @ right, by_cholesky, matrix)
    return z.T @ x if wide else x
