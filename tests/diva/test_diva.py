"""DIVA: every number and invariant of its sheet, by retraining and by hand."""

import functools

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import diva, errors, parallel
from iclr22.diva import ridge, stream

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
@pytest.mark.parametrize("loss", ridge.LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
def test_derivative_equals_differences_and_autodiff(shape, loss, zero):
    features, targets, weights = problem(shape)
    weights = weights if zero else weights + 0.1
    valid = np.random.default_rng(1).uniform(0, 1, len(weights))
    value = ridge.LOSSES[loss]
    differences = helpers.central_differences(
        lambda w: retrained_loss(features, targets, w, 0.3, value, valid), weights
    )
    with jax.enable_x64(True):
        automatic = jax.grad(autodiff_loss)(
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
        return retrained_loss(features, targets, weights, l2, ridge.mse, 1.0)

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
        value = ridge.LOSSES[loss]
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
        losses = [
            retrained_loss(features, targets, weights, l2, ridge.mse, 1.0)
            for l2 in grid
        ]
        np.testing.assert_allclose(choice.losses, losses, rtol=1e-8)
        assert choice.l2 == grid[np.argmin(losses)]


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
    kernel = lambda a, b: np.exp(-np.sum((a[:, None] - b) ** 2, axis=2))  # noqa: E731
    features = stream.nystrom(kernel, x)(x)
    np.testing.assert_allclose(features @ features.T, kernel(x, x), atol=1e-4)


def network(shape=(6, 4, 4, 1)):
    config = diva.Config(classes=3, width=4)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    state = diva.init(config, jax.random.key(0), {"x": x})
    stats = jax.tree.map(lambda s: s + 0.3, state.params["stats"])
    return config, state.params | {"stats": stats}, x


def test_fused_network_is_the_same_function():
    config, params, x = network()
    fused_config, fused = diva.fuse(config, params)
    np.testing.assert_allclose(
        diva.apply(fused_config, fused, x), diva.apply(config, params, x), atol=2e-5
    )
    assert not fused["stats"] and not fused_config.batch_norm


@pytest.mark.parametrize("subtree", [(), ("head",)])
def test_linearized_network_matches_its_jacobian(subtree):
    config, params = diva.fuse(*network()[:2])
    x = network()[2]
    apply = functools.partial(diva.apply, config)
    predict, features = diva.linearize(apply, params, subtree=subtree)
    np.testing.assert_allclose(predict(params, x), apply(params, x), atol=1e-6)
    rows = features(x)
    other = jax.tree.map(lambda p: p + 0.01 * jnp.sign(p), params)
    free, _ = diva.linear.select(params, subtree)
    moved, _ = diva.linear.select(other, subtree)
    change = jnp.concatenate(
        [(b - a).ravel() for a, b in zip(free, moved, strict=True)]
    )
    assert rows.shape == (6, 3, len(change))
    np.testing.assert_allclose(
        predict(other, x) - apply(params, x), rows @ change, rtol=1e-4, atol=1e-5
    )
    if subtree:
        penultimate = diva.features(config, params, x)
        expected = np.einsum("nf,kl->nkfl", penultimate, np.eye(3)).reshape(6, 3, -1)
        np.testing.assert_allclose(
            rows[:, :, -expected.shape[2] :], expected, atol=1e-5
        )


@pytest.mark.parametrize("kind", ["trace", "coupled", "sum"])
def test_gram_blocks_equal_the_full_jacobian(kind):
    config, params = diva.fuse(*network()[:2])
    x = network()[2]
    apply = functools.partial(diva.apply, config)
    _, features = diva.linearize(apply, params)
    rows = np.asarray(features(x))
    expected = {
        "trace": np.einsum("ikp,jkp->ij", rows, rows) / 3,
        "coupled": np.einsum("ikp,jlp->ikjl", rows, rows),
        "sum": np.einsum("ikp,jlp->ij", rows, rows) / 3,
    }[kind]
    block = diva.gram(apply, params, kind=kind)
    np.testing.assert_allclose(block(x, x), expected, rtol=1e-4, atol=1e-4)
    if kind == "trace":
        place = parallel.shard_rows(parallel.devices())
        rows = diva.gram_rows(block, x, chunk=8, place=place)
        np.testing.assert_allclose(rows(0, 6), expected, rtol=1e-4, atol=1e-4)
        rows = diva.gram_rows(block, x, chunk=4)
        np.testing.assert_allclose(rows(4, 6), expected[4:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sketch", [diva.sketch, diva.count_sketch])
def test_sketches_are_unbiased_for_the_trace_kernel(sketch):
    config, params = diva.fuse(*network()[:2])
    x = network()[2]
    apply = functools.partial(diva.apply, config)
    exact = np.asarray(diva.gram(apply, params)(x, x))
    errors_ = []
    for size in (64, 1024):
        z = np.asarray(sketch(apply, params, jax.random.key(1), size)(x))
        assert z.shape == (6, 3 * size)
        errors_.append(np.linalg.norm(z @ z.T - exact) / np.linalg.norm(exact))
    assert errors_[1] < 0.06 and errors_[1] < errors_[0]


def test_knn_shapley_equals_enumeration():
    rng = np.random.default_rng(0)
    n, k = 7, 2
    x, y = rng.normal(size=(n, 2)), rng.integers(0, 2, n)

    def vote(members, v):
        near = sorted(members, key=lambda i: np.sum((x[i] - x[v]) ** 2))[:k]
        return sum(y[i] == y[v] for i in near) / k

    import itertools
    import math

    expected = np.zeros(n)
    for v in range(n):
        others = [i for i in range(n) if i != v]
        for i in others:
            rest = [j for j in others if j != i]
            for size in range(len(rest) + 1):
                share = 1 / (len(others) * math.comb(len(rest), size))
                for subset in itertools.combinations(rest, size):
                    gain = vote([*subset, i], v) - vote(subset, v)
                    expected[i] += share * gain
    found = diva.knn_shapley(x, y, neighbors=k, chunk=3)
    np.testing.assert_allclose(found, expected / (n - 1), atol=1e-6)


def clusters(n=120, flips=0.2, seed=0):
    """Three Gaussian classes with flipped labels: `(features, targets, flipped)`."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = np.append(3 * np.eye(3)[y] + rng.normal(size=(n, 3)), np.ones((n, 1)), axis=1)
    wrong = rng.random(n) < flips
    return x, np.eye(3)[(y + wrong * rng.integers(1, 3, n)) % 3], wrong


@pytest.mark.parametrize("score", diva.SCORES)
def test_detect_finds_flipped_labels(score):
    features, targets, wrong = clusters()
    found = diva.detect(features, targets, score=score)
    worst = found.order[: wrong.sum()]
    assert np.mean(wrong[worst]) > 0.8
    assert np.all(np.diff(found.score[found.order]) <= 0)
    top = diva.detect(features, targets, score=score, top_fraction=0.1)
    assert top.flagged.sum() == 12 and top.flagged[found.order[:12]].all()


def test_influence_is_self_influence_by_hand():
    features, targets, weights = problem("n>p")
    residual = targets - features @ helpers.ridge(features, targets, weights, 0.3)
    a = features.T @ (weights[:, None] * features) + 0.3 * np.eye(6)
    own = np.einsum("nm,nm->n", features, np.linalg.solve(a, features.T).T)
    expected = np.sum(residual**2, axis=1) * own
    np.testing.assert_allclose(
        diva.influence(features, targets, weights, 0.3), expected
    )


def test_reweight_lowers_the_loss_and_respects_its_options():
    features, targets, wrong = clusters()
    new = diva.reweight(features, targets, l2=1.0, step_size=0.1)
    assert new.losses[1] < new.losses[0]
    assert new.weights[wrong].mean() < new.weights[~wrong].mean()
    raw = diva.reweight(features, targets, l2=1.0, rule="raw", step_size=1e-3)
    g = diva.derivative(features, targets, np.ones(len(features)), 1.0)
    np.testing.assert_allclose(raw.weights, np.clip(1 - 1e-3 * g, 0, 3), atol=1e-9)
    many = diva.reweight(features, targets, l2=1.0, steps=4, renormalise=True)
    np.testing.assert_allclose(many.trail.sum(axis=1), len(features), rtol=1e-9)
    assert (
        many.losses[1:].min()
        == many.losses[[np.array_equal(w, many.weights) for w in many.trail]][0]
    )


@pytest.mark.parametrize("quota", [True, False])
def test_extend_follows_the_derivative_round_by_round(quota):
    features, targets, wrong = clusters(60)
    core = np.arange(60) < 12
    labels = np.argmax(targets, axis=1) if quota else None
    grown = diva.extend(features, targets, core, l2=1.0, batch=6, labels=labels)
    inside = core.astype(float)
    for number, expected in enumerate(grown.weights[1:]):
        g = diva.derivative(features, targets, inside, 1.0, validation_weights=inside)
        pool = inside == 0
        best = g[pool].min() if pool.any() else np.inf
        np.testing.assert_allclose(grown.best_derivative[number], best, rtol=1e-6)
        added = np.flatnonzero(expected > inside)
        if not quota:
            candidates = np.flatnonzero(pool)[np.argsort(g[pool])][:6]
            assert set(added) == {i for i in candidates if g[i] < 0}
        elif len(added) == 6 and number == 0:
            assert np.bincount(labels[added], minlength=3).tolist() == [2, 2, 2]
        assert np.all(g[added] < 0)
        inside = expected
    full = diva.extend(features, targets, core, l2=1.0, batch=6, stop=False)
    assert sorted(full.order) == list(range(12, 60))


def test_aggregate_turns_down_the_noisy_source():
    clean = clusters(90, 0.0, 1)
    noisy = clusters(90, 0.7, 2)
    features = np.concatenate([clean[0], noisy[0]])
    targets = np.concatenate([clean[1], noisy[1]])
    sources = np.repeat(["clean", "noisy"], 90)
    valid = (sources == "clean") * 1.0
    ids, weights, derivatives = diva.aggregate(
        features, targets, sources, l2=1.0, validation_weights=valid
    )
    assert ids.tolist() == ["clean", "noisy"]
    assert weights[1] < 0.5 < weights[0] and derivatives[1] > 0
    ids, shares = diva.augmentation_probabilities([1, 3, 0, 4], [0, 0, 1, 1])
    np.testing.assert_allclose(shares, [0.5, 0.5])


def test_weight_baselines_prefer_what_they_should():
    features, targets, wrong = clusters(200)
    clean = clusters(100, 0.0, 5)
    meta = diva.meta_weights(features, targets, clean[0], clean[1])
    assert meta[wrong].mean() < 0.3 * meta[~wrong].mean()
    uncertain = diva.uncertainty_weights(features, targets)
    np.testing.assert_allclose([meta.mean(), uncertain.mean()], 1, rtol=1e-5)


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
        (lambda: diva.one_hot([0.5, 1]), "whole-number"),
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


def test_single_example_of_a_class_and_duplicates_have_documented_answers():
    features, targets, _ = clusters(30, 0.0)
    targets = np.append(targets, np.zeros((30, 1)), axis=1)
    targets[4] = np.eye(4)[3]
    found = diva.detect(features, targets)
    assert found.order[0] == 4 and found.predictions[4, 3] <= 0.3
    # A wrong label vouched for by its copies shows once copies are left out together.
    copies = np.append(np.arange(30), [7, 7])
    wrong = targets.copy()
    wrong[7] = np.roll(targets[7], 1)
    groups = copies
    alone = diva.derivative(features, wrong, np.ones(30), 1.0)
    doubled = (features[copies], wrong[copies], np.ones(32), 1.0)
    together = diva.derivative(*doubled, groups=groups)
    assert alone[7] > 0
    assert together[7] > diva.derivative(*doubled)[7]


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
