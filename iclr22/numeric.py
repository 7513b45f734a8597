"""One place that turns what callers hand over into numbers to compute with.

Sums of bytes wrap around, half precision overflows and lists have no `.T`: every public
function that takes a user's array converts it here, once, before anything else.
"""

import decimal
import numbers
from typing import Any

import jax.numpy as jnp
import numpy as np

from iclr22 import errors, precision

SHAPES = {0: "a single number", 1: "[n]", 2: "[n, d]", 3: "[n, t, d]"}
EXACT = 2**53  # whole numbers up to here are exact in float64


def real(values, what: str, *, ndim=None, dtype=None, finite: bool = True) -> Any:
    """`values` as an array of floating-point numbers, of the same shape.

    Args:
      values: an array of any real type (NumPy, JAX, memory map), nested lists, a data
        frame or a number. Traced arrays (inside `jax.jit`, `jax.grad`) stay traced, and
        only their type and shape are checked.
      what: name of the argument, for messages.
      ndim: how many dimensions it has to have, a number or several; None: any.
      dtype: of the result, for functions that compute in that. By default single and
        double precision stay what they are (no copy) and everything else becomes float64.
      finite: refuse NaN and infinity.

    Raises:
      errors.InputError: text, dates, complex numbers, objects, missing or masked values,
        rows of different lengths, another number of dimensions; NaN or infinity, also if
        only the narrower `dtype` makes them so.
    """
    if precision.is_traced(values):
        traced = jnp.asarray(values)
        wide = jnp.issubdtype(traced.dtype, jnp.floating)
        _check_ndim(traced, what, ndim)
        return traced if wide and dtype is None else traced.astype(dtype or float)
    array = _array(values, what)
    _check_ndim(array, what, ndim)
    if dtype is None:
        dtype = array.dtype if array.dtype in ("float32", "float64") else np.float64
    with np.errstate(over="ignore"):  # told below
        result = array.astype(dtype, copy=False)
    if finite:
        _check_finite(result, what)
    return result


def whole(values, what: str, *, ndim=1, low=None, high=None) -> np.ndarray:
    """`values` as int64: labels, ids and counts of any type that hold whole numbers.

    Args:
      values, what, ndim: as in `real`; `1.0` and `True` are whole numbers.
      low, high: smallest and largest that is allowed.

    Raises:
      errors.InputError: as `real`; fractions; numbers out of range.
    """
    array = _array(values, what)
    _check_ndim(array, what, ndim)
    if array.dtype.kind == "f":
        _check_finite(array, what)
        array = array.astype(np.float64)
        bad = (array != np.rint(array)) | (np.abs(array) > EXACT)
        _refuse(bad, array, what, "whole numbers", "Number them 0, 1, 2, ...")
    elif array.dtype == np.uint64:
        bad = array > np.iinfo(np.int64).max
        _refuse(bad, array, what, "whole numbers below 2^63", "Renumber them")
    result = array.astype(np.int64)
    if low is not None:
        _refuse(result < low, result, what, f"whole numbers from {low}", "Renumber")
    if high is not None:
        _refuse(result > high, result, what, f"whole numbers to {high}", "Renumber")
    return result


def _array(values, what) -> np.ndarray:
    """A NumPy array of kind b, i, u or f, float16 to longdouble."""
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise errors.InputError(
            f"{what}: expected a dense array; found a sparse matrix. Pass its .toarray()"
        )
    try:
        masked = isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values)
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise errors.InputError(
            f"{what}: expected numbers in an array or in rows of one length; found "
            f"{type(values).__name__} ({str(error)[:100]})"
        ) from None
    if masked:
        raise errors.InputError(
            f"{what}: expected a value everywhere; found masked ones. Remove or impute "
            "those rows before calling"
        )
    if array.dtype.kind == "O":
        return _from_objects(array, what)
    if jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.kind != "f":
        return array.astype(np.float64)  # bfloat16, float8
    if array.dtype.kind not in "biuf":
        raise errors.InputError(
            f"{what}: expected real numbers; found {_kind(array)}. Convert them before "
            "calling, categories for example to one column each"
        )
    return array


def _from_objects(array, what) -> np.ndarray:
    """Objects that are all real numbers, as data frames of several types give."""
    accepted = (numbers.Real, decimal.Decimal, np.bool_)
    for place, value in enumerate(array.ravel()):
        if not isinstance(value, accepted):
            raise errors.InputError(
                f"{what}: expected real numbers; found {str(value)[:40]!r} "
                f"({type(value).__name__}){_where(place, array.shape)}. Convert or remove "
                "it before calling"
            )
    return array.astype(np.float64)


def _kind(array) -> str:
    names = {"U": "text", "S": "text", "T": "text", "M": "dates", "m": "durations"}
    names["c"] = "complex numbers"
    return f"{names.get(array.dtype.kind, 'no numbers')} ({array.dtype})"


def _check_ndim(array, what, ndim):
    allowed = () if ndim is None else (ndim,) if isinstance(ndim, int) else tuple(ndim)
    if allowed and array.ndim not in allowed:
        wanted = " or ".join(SHAPES.get(i, f"{i} dimensions") for i in allowed)
        raise errors.InputError(f"{what}: expected {wanted}; found {array.shape}")


def _check_finite(array, what):
    # A sum is finite exactly when all terms are, barring overflow; it needs no mask.
    with np.errstate(over="ignore", invalid="ignore"):
        if array.dtype.kind != "f" or np.isfinite(np.sum(array, dtype=np.float64)):
            return
    bad = ~np.isfinite(array)
    if bad.any():
        raise errors.InputError(
            f"{what} holds {bad.sum()} non-finite values, first"
            f"{_where(bad.argmax(), array.shape)}; remove or impute those rows before "
            "calling"
        )


def _refuse(bad, array, what, wanted, advice):
    if bad.any():
        place = int(bad.argmax())
        raise errors.InputError(
            f"{what}: expected {wanted}; found {array.ravel()[place]}"
            f"{_where(place, array.shape)}. {advice}"
        )


def _where(place, shape) -> str:
    """` at (row, column)` of a flat position, nothing for a single number."""
    index = tuple(map(int, np.unravel_index(int(place), shape)))
    return f" at {index}" if index else ""
