"""First heads: minima against SciPy, positives above candidates, limits."""

import numpy as np
import pytest
from scipy import optimize, sparse

from iclr22 import errors
from iclr22.giant_xrt import bootstrap

RANDOM = np.random.default_rng(0)


def objective(w, x, y, cost):
    slack = np.maximum(0, 1 - y * (x @ w))
    return w @ w / 2 + cost * slack @ slack, w - 2 * cost * x.T @ (y * slack)


def best(x, y, cost):
    given = x.astype(float), y.astype(float), cost
    options = {"maxiter": 5000, "gtol": 1e-7}
    return optimize.minimize(
        objective, np.zeros(x.shape[1]), given, jac=True, options=options
    )


def problem(count, width, overlap):
    x = RANDOM.normal(size=(count, width)).astype(np.float32)
    x[:, -1] = 1
    z = x @ RANDOM.normal(size=(width, 3)) + overlap * RANDOM.normal(size=(count, 3))
    return x, np.where(z > 0.5, 1, -1).T.astype(np.float32)


@pytest.mark.parametrize(("overlap", "limit"), [(4.0, 1e-4), (0.5, 2e-2)])
def test_minima_are_those_of_scipy(overlap, limit):
    x, y = problem(200, 12, overlap)
    found = np.asarray(bootstrap.solve(x, y, 100.0), float)
    for w, signs in zip(found, y, strict=True):
        value = objective(w, x.astype(float), signs.astype(float), 100.0)[0]
        least = best(x, signs, 100.0).fun
        assert least * (1 - 1e-6) <= value <= least * (1 + limit)


def test_padding_changes_nothing():
    x, y = problem(120, 8, 3.0)
    alone = np.asarray(bootstrap.solve(x, y, 1.0))
    wide = np.concatenate([x, 100 * np.ones((40, 8), np.float32)])
    signs = np.concatenate([y, np.zeros((3, 40), np.float32)], axis=1)
    signs = np.concatenate([signs, np.zeros((1, 160), np.float32)])
    found = np.asarray(bootstrap.solve(wide, signs, 1.0))
    np.testing.assert_allclose(found[:3], alone, rtol=1e-3, atol=1e-4)
    assert not found[3].any()


PARENTS = np.array([0, 0, 1, 1])


def toy(count=60):
    """Vectors near one of four corners, labels of one cluster each; all parents above."""
    topic = np.arange(count) % 4
    corner = 2 * np.eye(4, dtype=np.float32)[topic]
    vectors = corner + 0.1 * RANDOM.normal(size=(count, 4)).astype(np.float32)
    labels = sparse.csr_matrix(np.eye(4, dtype=np.float32)[topic])
    above = sparse.csr_matrix(np.ones((count, 2), bool))
    return {"above": above, "labels": labels, "vectors": vectors}, topic


def test_positives_score_above_all_candidates_before_any_step():
    given, topic = toy()
    head = bootstrap.head("linear", PARENTS, **given, cost=100.0)
    assert head["kernel"].shape == (5, 4) and not head["kernel"][-1].any()
    scores = given["vectors"] @ head["kernel"][:-1].T + head["bias"][:-1]
    own = np.take_along_axis(scores, topic[:, None], 1)
    others = np.where(np.eye(4, dtype=bool)[topic], -np.inf, scores)
    assert (own[:, 0] > others.max(axis=1)).all() and (own > 0.9).all()


def test_only_nodes_with_the_parent_count():
    given, topic = toy()
    chosen = np.stack([topic < 2, topic >= 2], axis=1)
    given["above"] = sparse.csr_matrix(chosen)
    head = bootstrap.head("linear", PARENTS, **given, cost=1.0)
    for cluster, parent in enumerate(PARENTS):
        rows = np.flatnonzero(chosen[:, parent])
        x = np.append(given["vectors"][rows], np.ones((len(rows), 1)), axis=1)
        y = np.where(topic[rows] == cluster, 1.0, -1.0)
        w = np.append(head["kernel"][cluster], head["bias"][cluster]).astype(float)
        least = best(x, y, 1.0).fun
        np.testing.assert_allclose(objective(w, x, y, 1.0)[0], least, rtol=1e-3)


def test_a_limit_leaves_out_negatives_alone():
    given, topic = toy(400)
    labels = given["labels"].toarray()
    labels[20:] = 0
    given["labels"] = sparse.csr_matrix(labels)
    problems = bootstrap._problems(PARENTS, **_two(given), most=50, seed=0)
    for clusters, rows, positive in problems:
        assert len(rows) == 50 and positive.shape == (2, 50)
        assert set(np.flatnonzero(labels[:, clusters].any(axis=1))) <= set(rows)
        np.testing.assert_array_equal(positive, labels[rows][:, clusters].T > 0)


def _two(given):
    return {"above": given["above"], "labels": given["labels"]}


def test_heads_can_inherit_or_be_drawn():
    before = {"kernel": np.arange(6.0).reshape(3, 2), "bias": np.array([1.0, 2, 0])}
    head = bootstrap.head("inherit", PARENTS, before=before)
    np.testing.assert_array_equal(head["kernel"][:, 0], [0, 0, 2, 2, 4])
    np.testing.assert_array_equal(head["bias"], [1, 1, 2, 2, 0])
    assert bootstrap.head("none", PARENTS) is None
    with pytest.raises(errors.InputError, match="linear"):
        bootstrap.head("liner", PARENTS)
