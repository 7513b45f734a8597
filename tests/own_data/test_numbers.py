"""What callers hand over becomes numbers, or one clear error: `iclr22.numeric`."""

import decimal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors, numeric

KINDS = "bool uint8 int8 int16 uint32 int64 uint64 float16 float32 float64 longdouble"


@pytest.mark.parametrize("kind", KINDS.split())
def test_every_real_type_becomes_floating_point(kind):
    given = np.array([[0, 1], [1, 0]], kind)
    found = numeric.real(given, "x", ndim=2)
    assert found.dtype == (kind if kind in ("float32", "float64") else "float64")
    np.testing.assert_array_equal(found, [[0, 1], [1, 0]])
    assert numeric.real(given, "x", dtype=np.float32).dtype == np.float32
    assert numeric.whole(given, "x", ndim=2).dtype == np.int64
    if kind in ("float32", "float64"):
        assert found is given  # nothing large is copied


class Frame:
    """What a data frame looks like from here: columns of several types are objects."""

    def __array__(self, dtype=None, copy=None):
        rows = [[1, 2.5], [True, decimal.Decimal(4)], [np.bool_(0), np.int8(3)]]
        return np.array(rows, object)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (jnp.arange(3, dtype=jnp.uint8), [0, 1, 2]),
        (jnp.array([0.5, 2], jnp.bfloat16), [0.5, 2]),
        (Frame(), [[1, 2.5], [1, 4], [0, 3]]),
        (np.ma.MaskedArray([1, 2], mask=[False, False]), [1, 2]),
        (7, 7),
        ([], []),
    ],
)
def test_lists_frames_and_arrays_of_others_are_read(given, expected):
    found = numeric.real(given, "x")
    assert type(found) is np.ndarray and found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["1", "2"], "size: expected real numbers; found text"),
        (np.array(["2026-01-01"], "M8[D]"), "found dates"),
        (np.array([1j]), "found complex numbers"),
        ([[1, None]], r"found 'None' \(NoneType\) at \(0, 1\)"),
        ([[1, 2], [3]], "rows of one length"),
        (np.ma.MaskedArray([1, 2], mask=[False, True]), "masked"),
        ([[1.0, np.nan], [np.inf, 0]], r"size holds 2 non-finite.*first at \(0, 1\)"),
        (jax.random.key(0), "size: expected"),
        ({"a": 1}, "size: expected"),
    ],
)
def test_what_is_no_number_is_refused_with_its_name(given, message):
    with pytest.raises(errors.InputError, match=message):
        numeric.real(given, "size")


def test_shapes_ranges_and_overflow_are_told():
    cases = [
        (
            lambda: numeric.real([1, 2], "x", ndim=2),
            r"x: expected \[n, d\]; found \(2,",
        ),
        (lambda: numeric.real(1e300, "x", dtype=np.float32), "x holds 1 non-finite"),
        (lambda: numeric.whole([1, 2.5], "y"), r"whole numbers; found 2.5 at \(1,\)"),
        (lambda: numeric.whole([1, 3], "y", high=2), "whole numbers to 2; found 3"),
        (lambda: numeric.whole([-1], "y", low=0), "whole numbers from 0; found -1"),
        (lambda: numeric.whole([2**63], "y"), "below 2.63"),
        (lambda: numeric.whole([1e17], "y"), "found 1e.17"),
    ]
    for call, message in cases:
        with pytest.raises(errors.InputError, match=message):
            call()
    numeric.real([1e308, 1e308], "x")  # a sum overflows, the numbers do not
    numeric.real([np.nan], "x", finite=False)


def test_traced_arrays_stay_traced():
    def double(x):
        return 2 * numeric.real(x, "x", ndim=1)

    np.testing.assert_array_equal(jax.jit(double)(jnp.array([200], jnp.uint8)), [400])
    assert jax.grad(lambda x: double(x).sum())(jnp.ones(1)) == 2
    with pytest.raises(errors.InputError, match=r"x: expected \[n\]"):
        jax.jit(double)(jnp.ones((2, 2)))
