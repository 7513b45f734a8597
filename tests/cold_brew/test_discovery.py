"""Cold Brew's virtual neighbours, against the dense formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors
from iclr22.cold_brew import discovery

pytestmark = pytest.mark.eight_devices


def table(q=30, n=50, e=8, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(size, e)).astype(np.float32) * rng.uniform(0.2, 2, (size, 1))
        for size in (q, n)
    )


def dense(queries, keys, k, similarity="dot", temperature=1.0):
    """Equation 4 word for word: all but the k largest are minus infinity."""
    if similarity == "cosine":
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, keys)]
        scores = unit[0] @ unit[1].T
    else:
        scores = queries @ keys.T
    scores = np.asarray(scores, float)
    kth = np.sort(scores, axis=1)[:, -k][:, None]
    weights = np.where(scores >= kth, np.exp(scores / temperature), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k], weights @ keys


@pytest.mark.parametrize("similarity", discovery.SIMILARITIES)
@pytest.mark.parametrize("chunk", [(100, 100), (7, 9), (1, 1), (30, 49)])
@pytest.mark.parametrize("k", [1, 5, 50])
def test_chunks_equal_the_dense_formula(similarity, chunk, k):
    queries, keys = table()
    found = discovery.discover_neighbors(
        queries, keys, k, similarity, temperature=0.7, chunk=chunk
    )
    indices, values = dense(queries, keys, k, similarity, 0.7)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.values, values, atol=1e-5)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-5)
    assert np.all(np.diff(found.weights, axis=1) <= 0)


def test_wide_tiles_are_searched_by_groups():
    queries, keys = table(q=9, n=5000)
    keys = np.round(keys)  # many equal scores
    found = discovery.discover_neighbors(np.round(queries), keys, 3, chunk=(4, 3333))
    indices, values = dense(np.round(queries), keys, 3)
    np.testing.assert_array_equal(found.indices, indices)
    expected = np.einsum("qk,qke->qe", found.weights, keys[indices])
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_one_neighbor_is_the_most_similar_row():
    queries, keys = table()
    found = discovery.discover_neighbors(queries, keys, 1)
    best = np.argmax(queries @ keys.T, axis=1)
    np.testing.assert_array_equal(found.indices[:, 0], best)
    np.testing.assert_allclose(found.values, keys[best], rtol=1e-6)


def test_all_neighbors_are_softmax_attention():
    queries, keys = table()
    found = discovery.discover_neighbors(queries, keys, len(keys))
    expected = jax.nn.softmax(queries @ keys.T, axis=1) @ keys
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_values_are_in_the_convex_hull():
    queries, keys = table()
    found = discovery.discover_neighbors(queries, keys, 4)
    rows = keys[found.indices]
    assert np.all(found.weights >= 0)
    assert np.all(found.values <= rows.max(axis=1) + 1e-5)
    assert np.all(found.values >= rows.min(axis=1) - 1e-5)


def test_node_order_does_not_matter():
    queries, keys = table()
    order = np.random.default_rng(1).permutation(len(keys))
    found = discovery.discover_neighbors(queries, keys, 4)
    again = discovery.discover_neighbors(queries, keys[order], 4, chunk=(5, 6))
    np.testing.assert_array_equal(order[again.indices], found.indices)
    np.testing.assert_allclose(again.values, found.values, atol=1e-5)


@pytest.mark.parametrize("chunk", [(100, 100), (7, 9)])
def test_excluded_and_forbidden_rows_are_never_found(chunk):
    _, keys = table()
    own = np.arange(50)
    own[::5] = -1
    allowed = np.arange(50) % 3 > 0
    found = discovery.discover_neighbors(
        keys, keys, 6, "cosine", exclude=own, allowed=allowed, chunk=chunk
    )
    scores = np.asarray(keys @ keys.T, float)
    scores /= np.outer(*[np.linalg.norm(keys, axis=1)] * 2)
    scores[:, ~allowed] = -np.inf
    scores[own >= 0, own[own >= 0]] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :6]
    np.testing.assert_array_equal(found.indices, expected)


def test_approximate_search_finds_nearly_all():
    queries, keys = table(q=20, n=2000)
    exact = discovery.discover_neighbors(queries, keys, 10)
    about = discovery.discover_neighbors(queries, keys, 10, approximate=True)
    pairs = zip(np.asarray(exact.indices), np.asarray(about.indices), strict=True)
    recall = np.mean([np.isin(a, b).mean() for a, b in pairs])
    assert recall > 0.9


def test_discovery_passes_no_gradient_and_can_be_compiled():
    queries, keys = table()

    def total(queries, keys):
        return discovery.discover_neighbors(queries, keys, 3).values.sum()

    gradients = jax.grad(total, argnums=(0, 1))(jnp.array(queries), jnp.array(keys))
    assert all(np.all(np.asarray(g) == 0) for g in gradients)
    np.testing.assert_allclose(
        jax.jit(total)(queries, keys), total(queries, keys), rtol=1e-5
    )
    own, allowed = np.arange(30), np.arange(50) > 4
    settings = {"exclude": own, "allowed": allowed}
    table_inside = jax.jit(
        lambda queries: discovery.discover_neighbors(queries, keys, 44, **settings)
    )
    expected = discovery.discover_neighbors(queries, keys, 44, **settings)
    np.testing.assert_array_equal(table_inside(queries).indices, expected.indices)


def test_zero_rows_and_no_queries_are_fine():
    queries, keys = table()
    queries[0], keys[:4] = 0, 0
    found = discovery.discover_neighbors(queries, keys, 3, "cosine")
    np.testing.assert_array_equal(found.indices[0], [0, 1, 2])
    assert np.isfinite(found.values).all()
    found = discovery.discover_neighbors(queries[:0], keys, 3)
    assert found.values.shape == (0, 8) and found.indices.shape == (0, 3)


def test_bad_queries_are_refused():
    queries, keys = table()
    find = discovery.discover_neighbors
    for k in (0, 51):
        with pytest.raises(errors.InputError, match="1..50"):
            find(queries, keys, k)
    with pytest.raises(errors.InputError, match="1..49"):
        find(queries, keys, 50, exclude=np.arange(30))
    with pytest.raises(errors.InputError, match="1..2"):
        find(queries, keys, 3, allowed=np.arange(50) < 2)
    with pytest.raises(errors.InputError, match="'cosine'"):
        find(queries, keys, 3, "cosinus")
    with pytest.raises(errors.InputError, match="temperature"):
        find(queries, keys, 3, temperature=0.0)
    with pytest.raises(errors.InputError, match="exclude"):
        find(queries, keys, 3, exclude=np.arange(50))
    with pytest.raises(errors.InputError, match="keys"):
        find(queries, keys[:, :3], 3)
    queries[1, 2] = np.nan
    with pytest.raises(errors.InputError, match="queries hold NaN"):
        find(queries, keys, 3)
