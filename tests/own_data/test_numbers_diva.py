"""DIVA gives the float64 answer for whatever type the caller's numbers have."""

import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import diva, errors
from iclr22.diva import stream

N, P = 30, 5
RNG = np.random.default_rng(0)
X = RNG.integers(0, 200, (N, P)).astype(np.float64)  # sums of squares: above any byte
LABELS = np.arange(N) % 3
Y = np.eye(3)[LABELS]
ONES, L2 = np.ones(N), 3e4
CORE = np.arange(N) < 12
GROUPS = np.arange(N) // 2


class Frame:
    """A data frame as NumPy sees it; only its length can be asked for besides."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows.tolist(), object)

    def __len__(self):
        return len(self.rows)


KINDS = {
    "uint8": lambda a: a.astype(np.uint8),
    "int16": lambda a: a.astype(np.int16),
    "int64": lambda a: a.astype(np.int64),
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "list": lambda a: a.tolist(),
    "frame": Frame,
    "jax": lambda a: jnp.asarray(a, jnp.int32),
}
LOSS = {"loss": "squared_hinge"}
DOORS = {
    "leave_one_out": lambda x, y, w: diva.leave_one_out(x, y, w, L2),
    "derivative": lambda x, y, w: diva.derivative(x, y, w, L2),
    "squared_hinge": lambda x, y, w: diva.derivative(x, y, w, L2, **LOSS),
    "groups": lambda x, y, w: diva.derivative(x, y, w, L2, groups=GROUPS),
    "assess": lambda x, y, w: diva.assess(x, y, w, L2, trusted=True).derivative,
    "relabel": lambda x, y, w: diva.relabel_derivative(x, y, w, L2),
    "solve": lambda x, y, w: diva.solve(x, y, w, L2),
    "choose_l2": lambda x, y, w: diva.choose_l2(x, y, w).losses,
    "conditioning": lambda x, y, w: diva.conditioning(x, w, L2)[:3],
    "holdout": lambda x, y, w: diva.holdout_derivative(x, y, w, L2, x, y),
    "influence": lambda x, y, w: diva.influence(x, y, w, L2),
    "knn_shapley": lambda x, y, w: diva.knn_shapley(x, LABELS),
    "meta_weights": lambda x, y, w: diva.meta_weights(x, y, x, y, steps=3),
    "uncertainty": lambda x, y, w: diva.uncertainty_weights(x, y, steps=3),
    "detect": lambda x, y, w: diva.detect(x, y, w).score,
    "reweight": lambda x, y, w: diva.reweight(x, y, w, l2=L2).weights,
    "extend": lambda x, y, w: diva.extend(x, y, CORE, l2=L2, stop=False).weights,
    "aggregate": lambda x, y, w: diva.aggregate(x, y, LABELS, l2=L2)[2],
    "stream": lambda x, y, w: stream.derivative(
        stream.in_chunks(np.asarray(x), np.asarray(y), w, chunk=15), L2
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_answer_of_float64(door):
    call = DOORS[door]
    expected = np.asarray(call(X, Y, ONES))
    scale = np.abs(expected).max()
    for name, kind in KINDS.items():
        found = np.asarray(call(kind(X), kind(Y), kind(ONES)))
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale, err_msg=name)
    if door != "stream":  # labels as a mask
        found = call(kind(X), Y.astype(bool), ONES.astype(bool))
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


def test_gram_and_jacobian_doors_too():
    gram, jacobian = X @ X.T, X[:, None] * np.ones((1, 3, 1))
    doors = {
        "gram": lambda k, g: diva.derivative_from_gram(g, k(Y), k(ONES), L2),
        "groups": lambda k, g: diva.leave_group_out_from_gram(
            g, k(Y), k(ONES), L2, GROUPS
        ),
        "coupled": lambda k, g: diva.coupled_derivative(k(jacobian), k(Y), ONES, L2),
    }
    for name, call in doors.items():
        expected = call(np.asarray, gram)
        found = call(lambda a: a.astype(np.int16), gram.astype(np.int32))
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=1e-9 * scale, err_msg=name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: diva.detect([["a"]] * 3, np.eye(3)),
            "features: expected real numbers",
        ),
        (lambda: diva.detect(X, Y + 0j), "targets: .*complex"),
        (lambda: diva.detect(X, LABELS), r"targets \[n, k\].*one_hot"),
        (
            lambda: diva.derivative(X, Y[:, :1], ONES, L2, loss="cross_entropy"),
            "one col",
        ),
        (lambda: diva.derivative(X, Y, ONES, "30"), "l2: expected real numbers"),
        (lambda: diva.derivative(X, Y, [1] * 29 + [None], L2), "weights: .*None"),
        (lambda: diva.choose_l2(0 * X, Y), "nothing but zeros"),
        (lambda: diva.choose_l2(X, Y, grid=[-1.0, 1]), "penalties above 0"),
        (
            lambda: diva.augmentation_probabilities([0, 0], ["a", "b"]),
            "not all of them",
        ),
        (lambda: diva.augmentation_probabilities([1, 1], ["a"]), "transforms"),
        (lambda: diva.aggregate(X, Y, ["a", "b"], l2=1.0), r"sources \[n\]"),
        (lambda: diva.coupled_derivative(X[:, None], Y, ONES, L2), "jacobian"),
    ],
)
def test_what_has_no_answer_names_the_argument(call, message):
    with pytest.raises(errors.InputError, match=message):
        call()
