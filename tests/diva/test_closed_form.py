"""Closed forms of DIVA: every number and invariant of its sheet, by retraining and by hand."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import diva, errors, parallel
from iclr22.diva import losses, products, ridge, stream

TOY = (
    np.array([[1, 0], [1, 1], [1, 2], [1, 4.0]]),
    np.array([[0], [1], [3], [2.0]]),
)

SHAPES = {"n>p": (24, 6), "n<p": (16, 40)}


def problem(shape, seed=0, outputs=3):
    """`(features, targets, uneven weights)`, one of them zero."""
    rng = np.random.default_rng(seed)
    n, p = SHAPES[shape]
    weights = rng.uniform(0.2, 2, n)
    weights[3] = 0
    targets = np.eye(outputs)[rng.integers(0, outputs, n)]
    return rng.normal(size=(n, p)), targets, weights


def retrained_loss(features, targets, weights, l2, loss, valid, groups=None):
    predictions = helpers.retrained_predictions(features, targets, weights, l2, groups)
    with jax.enable_x64(True):
        values = jax.vmap(loss)(jnp.asarray(predictions), jnp.asarray(targets))
        return float(np.sum(valid * np.asarray(values)))


@pytest.mark.parametrize(
    ("weights", "predictions", "loss", "gradient"),
    [
        (
            [1, 1, 1, 1],
            [9 / 13, 47 / 48, 51 / 47, 67 / 15],
            10.2309859776,
            [0.52519111, -1.02006145, 4.76432474, 0.08369862],
        ),
        (
            [1, 1, 0.5, 2],
            [0.5483871, 0.75163399, 1.08988764, 3.8],
            7.2509433105,
            [0.46663033, -0.5281111, 7.46940417, 0.01025491],
        ),
    ],
)
def test_toy_is_exact(weights, predictions, loss, gradient):
    features, targets = TOY
    weights = np.array(weights, float)
    left_out = diva.leave_one_out(features, targets, weights, 1.0)
    np.testing.assert_allclose(left_out[:, 0], predictions, atol=5e-9)
    np.testing.assert_allclose(np.sum((left_out - targets) ** 2), loss, atol=5e-10)
    for g in (
        diva.derivative(features, targets, weights, 1.0),
        diva.derivative_from_gram(features @ features.T, targets, weights, 1.0),
    ):
        np.testing.assert_allclose(g, gradient, atol=5e-9)


def test_holdout_toy_is_exact():
    features, targets = TOY
    held = (np.array([[1, 3.0]]), np.array([[2.0]]))
    w = helpers.ridge(features, targets, np.ones(4), 1.0)
    np.testing.assert_allclose(np.sum((held[0] @ w - held[1]) ** 2), 0.0042999194, 1e-7)
    g = diva.holdout_derivative(features, targets, np.ones(4), 1.0, *held)
    expected = [-0.00095162, 0.00031721, 0.05392522, -0.04303444]
    np.testing.assert_allclose(g, expected, atol=5e-9)


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_leave_one_out_equals_retraining(shape, zero):
    features, targets, weights = problem(shape)
    weights = weights if zero else weights + 0.1
    expected = helpers.retrained_predictions(features, targets, weights, 0.3)
    gram = features @ features.T
    scale = np.abs(expected).max()
    for found in (
        diva.leave_one_out(features, targets, weights, 0.3),
        diva.leave_one_out_from_gram(gram, targets, weights, 0.3),
    ):
        assert np.abs(found - expected).max() < 1e-8 * scale


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
def test_derivative_equals_differences_and_autodiff(shape, loss, zero):
    features, targets, weights = problem(shape)
    weights = weights if zero else weights + 0.1
    valid = np.random.default_rng(1).uniform(0, 1, len(weights))
    value = losses.LOSSES[loss]
    differences = helpers.central_differences(
        lambda w: retrained_loss(features, targets, w, 0.3, value, valid), weights
    )
    with jax.enable_x64(True):
        automatic = jax.jit(jax.grad(autodiff_loss), static_argnums=4)(
            jnp.asarray(weights), features, targets, 0.3, value, valid
        )
    automatic = np.asarray(automatic)
    options = {"loss": loss, "validation_weights": valid}
    gram = features @ features.T
    for found in (
        diva.derivative(features, targets, weights, 0.3, **options),
        diva.derivative_from_gram(gram, targets, weights, 0.3, **options),
    ):
        scale = np.abs(found).max()
        assert np.abs(found - differences).max() < 1e-5 * scale
        assert np.abs(found - automatic).max() < 1e-8 * scale


def autodiff_loss(weights, features, targets, l2, loss, valid):
    """The leave-one-out loss by n solves, for `jax.grad`."""
    features, targets = jnp.asarray(features), jnp.asarray(targets)

    def one(i):
        w = weights.at[i].set(0)
        a = features.T @ (w[:, None] * features) + l2 * jnp.eye(features.shape[1])
        b = jnp.linalg.solve(a, features.T @ (w[:, None] * targets))
        return loss(features[i] @ b, targets[i])

    return jnp.sum(valid * jax.vmap(one)(jnp.arange(len(weights))))


def test_traced_calls_give_the_same():
    features, targets, weights = problem("n>p")
    expected = diva.derivative(features, targets, weights, 0.3)
    for data in (features, features @ features.T):
        call = diva.derivative if data is features else diva.derivative_from_gram
        found = jax.jit(lambda w, d=data, f=call: f(d, targets, w, 0.3))(weights)
        assert isinstance(found, jax.Array)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_own_weight_does_not_move_own_prediction(shape):
    features, targets, weights = problem(shape)
    before = diva.leave_one_out(features, targets, weights, 0.3)
    for i in (0, 3):
        moved = weights.copy()
        moved[i] += 0.7
        after = diva.leave_one_out(features, targets, moved, 0.3)
        np.testing.assert_allclose(after[i], before[i], rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_homogeneity_in_weights_and_penalty(shape):
    features, targets, weights = problem(shape)

    def loss_at(l2):
        return retrained_loss(features, targets, weights, l2, losses.mse, 1.0)

    in_l2 = (loss_at(0.3 + 1e-5) - loss_at(0.3 - 1e-5)) / 2e-5
    g = diva.derivative(features, targets, weights, 0.3)
    np.testing.assert_allclose(weights @ g, -0.3 * in_l2, rtol=1e-6)


def test_duplicate_equals_double_weight_and_zero_equals_deletion():
    features, targets, weights = problem("n>p")
    rows = np.append(np.arange(len(features)), 5)
    weights[5] = 1
    doubled = np.where(np.arange(len(weights)) == 5, 2.0, weights)
    twice = diva.solve(features[rows], targets[rows], weights[rows], 0.3)
    np.testing.assert_allclose(
        diva.solve(features, targets, doubled, 0.3), twice, rtol=0, atol=1e-12
    )
    kept = weights > 0
    removed = diva.solve(features[kept], targets[kept], weights[kept], 0.3)
    np.testing.assert_allclose(
        diva.solve(features, targets, weights, 0.3), removed, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_leverages_sum_to_the_effective_dimension(shape):
    features, _, weights = problem(shape)
    with jax.enable_x64(True):
        smoother = ridge.primal(jnp.asarray(features), jnp.asarray(weights), 0.3)
        leverage = np.asarray(1 - smoother.slack)
    values = np.linalg.eigvalsh(features.T @ (weights[:, None] * features))
    np.testing.assert_allclose(leverage.sum(), np.sum(values / (values + 0.3)), 1e-9)
    assert leverage.min() >= 0 and leverage.max() < 1
    assert leverage.sum() <= min(features.shape)


def test_holdout_derivative_is_the_influence_function():
    features, targets, weights = problem("n>p")
    rng = np.random.default_rng(2)
    held = (rng.normal(size=(7, 6)), rng.normal(size=(7, 3)))
    hessian = 2 * (features.T @ (weights[:, None] * features) + 0.3 * np.eye(6))
    w = helpers.ridge(features, targets, weights, 0.3)
    gradient = 2 * held[0].T @ (held[0] @ w - held[1])
    each = -2 * np.einsum("nm,nk->nmk", features, targets - features @ w)
    influence = -np.einsum("mk,nmk->n", np.linalg.solve(hessian, gradient), each)
    found = diva.holdout_derivative(features, targets, weights, 0.3, *held)
    np.testing.assert_allclose(found, influence, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_leave_group_out_equals_retraining(shape):
    features, targets, weights = problem(shape)
    groups = np.random.default_rng(3).integers(0, 6, len(features))
    valid = np.ones(len(features))
    gram = features @ features.T
    expected = helpers.retrained_predictions(features, targets, weights, 0.3, groups)
    found = diva.leave_group_out_from_gram(gram, targets, weights, 0.3, groups)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    for loss in ("mse", "cross_entropy"):
        value = losses.LOSSES[loss]
        differences = helpers.central_differences(
            lambda w, v=value: retrained_loss(
                features, targets, w, 0.3, v, valid, groups
            ),
            weights,
        )
        g = diva.derivative(features, targets, weights, 0.3, loss=loss, groups=groups)
        np.testing.assert_allclose(g, differences, rtol=0, atol=1e-6 * abs(g).max())


def test_groups_of_one_are_leave_one_out():
    features, targets, weights = problem("n<p")
    groups = np.arange(len(features))[::-1] * 7
    g = diva.derivative(features, targets, weights, 0.3, groups=groups)
    expected = diva.derivative(features, targets, weights, 0.3)
    np.testing.assert_allclose(g, expected, rtol=1e-8, atol=1e-10)


def test_coupled_outputs_equal_retraining():
    rng = np.random.default_rng(4)
    n, k, p = 9, 3, 14
    jacobian, targets = rng.normal(size=(n, k, p)), rng.normal(size=(n, k))
    weights = rng.uniform(0.3, 2, n)

    def predictions(weights):
        found = np.zeros((n, k))
        for i in range(n):
            w = np.where(np.arange(n) == i, 0.0, weights)
            a = np.einsum("n,nkp,nkq->pq", w, jacobian, jacobian) + 0.4 * np.eye(p)
            b = np.einsum("n,nkp,nk->p", w, jacobian, targets)
            found[i] = jacobian[i] @ np.linalg.solve(a, b)
        return found

    found = diva.coupled_leave_one_out(jacobian, targets, weights, 0.4)
    np.testing.assert_allclose(found, predictions(weights), rtol=0, atol=1e-11)
    differences = helpers.central_differences(
        lambda w: np.sum((predictions(w) - targets) ** 2), weights
    )
    g = diva.coupled_derivative(jacobian, targets, weights, 0.4)
    np.testing.assert_allclose(g, differences, rtol=0, atol=1e-6 * np.abs(g).max())


def test_relabel_derivative_equals_differences():
    features, targets, weights = problem("n>p")
    weights += 0.1
    found = diva.relabel_derivative(features, targets, weights, 0.3, loss="mse")

    def others_loss(i, c, step):
        """Loss of all but i when `step` of i's weight goes to class c."""
        rows = np.append(np.arange(len(weights)), i)
        moved = np.append(weights, step)
        moved[i] -= step
        labels = np.vstack([targets[: len(weights)], np.eye(3)[c]])
        groups = np.append(np.arange(len(weights)), i)
        left_out = helpers.retrained_predictions(
            features[rows], labels, moved, 0.3, groups
        )
        error = np.sum((left_out - labels) ** 2, axis=1)
        return np.sum(error[groups != i])

    for i, c in ((0, 0), (0, 1), (4, 2), (7, 0)):
        expected = (others_loss(i, c, 1e-5) - others_loss(i, c, -1e-5)) / 2e-5
        np.testing.assert_allclose(found[i, c], expected, rtol=1e-5, atol=1e-7)


def test_choose_l2_finds_the_smallest_retrained_loss():
    for shape in SHAPES:
        features, targets, weights = problem(shape)
        grid = np.logspace(-2, 2, 9)
        choice = diva.choose_l2(features, targets, weights, grid=grid)
        expected = [
            retrained_loss(features, targets, weights, l2, losses.mse, 1.0)
            for l2 in grid
        ]
        np.testing.assert_allclose(choice.losses, expected, rtol=1e-8)
        assert choice.l2 == grid[np.argmin(expected)]


@pytest.mark.parametrize("placed", [True, False])
def test_streamed_derivative_equals_the_one_in_memory(placed):
    features, targets, weights = problem("n>p")
    expected = diva.derivative(features, targets, weights, 0.3, loss="cross_entropy")
    chunks = stream.in_chunks(features, targets, weights, chunk=16)
    place = parallel.shard_rows(parallel.devices()) if placed else None
    options = {"loss": "cross_entropy", "place": place}
    found = stream.derivative(chunks, 0.3, **options)[: len(weights)]
    tolerance = 1e-3 if placed else 1e-10  # device arrays arrive in float32
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_nystrom_with_all_landmarks_is_the_kernel():
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)

    def kernel(a, b):
        return np.exp(-np.sum((a[:, None] - b) ** 2, axis=2))

    features = stream.nystrom(kernel, x)(x)
    np.testing.assert_allclose(features @ features.T, kernel(x, x), atol=1e-4)


def test_influence_is_self_influence_by_hand():
    features, targets, weights = problem("n>p")
    residual = targets - features @ helpers.ridge(features, targets, weights, 0.3)
    a = features.T @ (weights[:, None] * features) + 0.3 * np.eye(6)
    own = np.einsum("nm,nm->n", features, np.linalg.solve(a, features.T).T)
    expected = np.sum(residual**2, axis=1) * own
    np.testing.assert_allclose(
        diva.influence(features, targets, weights, 0.3), expected
    )


FEATURES, TARGETS = problem("n>p")[:2]

ONES = np.ones(len(FEATURES))


def broken(array, value, index=(2, 1)):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((broken(FEATURES, np.nan), TARGETS, ONES, 1.0), r"features .* \(2, 1\)"),
        ((broken(FEATURES, np.inf), TARGETS, ONES, 1.0), "features holds 1 non-finite"),
        ((FEATURES, broken(TARGETS, np.nan), ONES, 1.0), "targets"),
        ((FEATURES, TARGETS, broken(ONES, -1, 2), 1.0), "weights must not be negative"),
        ((FEATURES, TARGETS, 0 * ONES, 1.0), "all weights are zero"),
        ((FEATURES, TARGETS, ONES, -1.0), "l2 must not be negative"),
        ((np.ones((24, 2)), TARGETS, ONES, 0.0), "rank 1 of 2 columns"),
        ((FEATURES.T, TARGETS, ONES, 1.0), r"features \[n, p\] and weights \[n\]"),
        ((FEATURES, TARGETS[:, 0], ONES, 1.0), "one-hot"),
        ((FEATURES, TARGETS[:-1], ONES, 1.0), r"targets \[n, k\] with n = 24"),
        ((FEATURES, TARGETS, ONES[:, None], 1.0), "weights"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, message):
    for function in (diva.derivative, diva.leave_one_out):
        with pytest.raises(errors.InputError, match=message):
            function(*arguments)


def test_unpenalised_full_rank_problem_is_least_squares():
    expected = helpers.retrained_predictions(FEATURES, TARGETS, ONES, 0.0)
    found = diva.leave_one_out(FEATURES, TARGETS, ONES, 0.0)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_more_bad_input():
    gram = FEATURES @ FEATURES.T
    cases = [
        (lambda: diva.one_hot([0, 3], 3), "0 .. 2"),
        (lambda: diva.one_hot([0, -1]), "0 .. 0"),
        (lambda: diva.one_hot([0.5, 1]), "whole numbers"),
        (lambda: diva.derivative(FEATURES, TARGETS, ONES, 1.0, loss="mes"), "'mse'"),
        (lambda: diva.derivative_from_gram(gram, TARGETS, ONES, 0.0), "l2 > 0"),
        (
            lambda: diva.derivative_from_gram(broken(gram, 9.0), TARGETS, ONES, 1.0),
            "not symmetric",
        ),
        (
            lambda: diva.derivative_from_gram(FEATURES, TARGETS, ONES, 1.0),
            "square Gram",
        ),
        (
            lambda: diva.derivative(
                FEATURES, TARGETS, ONES, 1.0, validation_weights=ONES[1:]
            ),
            "validation_weights",
        ),
        (lambda: diva.extend(FEATURES, TARGETS, ONES > 0, l2=1.0), "core"),
        (lambda: diva.detect(FEATURES, TARGETS, score="paths"), "'path'"),
        (lambda: diva.knn_shapley(FEATURES[:5], ONES[:5]), "more than 10"),
        (lambda: diva.aggregate(FEATURES, TARGETS, ONES, l2=1.0), "two sources"),
        (lambda: diva.gram(None, {"a": 1.0}, subtree=("b",)), "Known: a"),
    ]
    for call, message in cases:
        with pytest.raises(errors.InputError, match=message):
            call()


def test_ill_conditioned_problem_warns_and_is_reported():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(12, 12))
    with pytest.warns(UserWarning, match="largest leverage"):
        diva.leave_one_out(features, features[:, :2], np.ones(12), 1e-9)
    report = diva.conditioning(features, np.ones(12), 1e-9)
    values = np.linalg.eigvalsh(features.T @ features)
    np.testing.assert_allclose(report.condition, values[-1] / values[0], rtol=1e-6)
    assert report.rank == 12 and report.max_leverage > 1 - 1e-6
    assert diva.conditioning(features[:, [0, 0]], np.ones(12), 0.0).condition == np.inf


@pytest.mark.parametrize("rows", [16, 17, 40])
@pytest.mark.parametrize("l2", [0.3, 0.0])  # without a penalty: by eigenvectors
def test_rows_in_chunks_give_the_same_smoother(rows, l2, monkeypatch):
    rng = np.random.default_rng(rows)
    z, x = rng.normal(size=(rows, 5)), rng.normal(size=rows)
    weights = rng.uniform(0.5, 2, rows)
    monkeypatch.setattr(products, "ROWS", 8)
    with jax.enable_x64(True):
        smoother = ridge.primal(jnp.asarray(z), jnp.asarray(weights), l2)
        found = smoother.squared_matmul(jnp.asarray(x))
        fitted = smoother.matmul(jnp.asarray(x))
    full = z @ np.linalg.solve(z.T @ (weights[:, None] * z) + l2 * np.eye(5), z.T)
    np.testing.assert_allclose(smoother.diagonal, np.diagonal(full), rtol=1e-9)
    np.testing.assert_allclose(found, full**2 @ x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted, full @ x, rtol=1e-9, atol=1e-12)
