"""How features enter the models: rows of a bag of words, columns of measurements.

A bag of words says which words a text has: its row is divided by its sum, as the paper's
code does. Measurements (age, price, a date) have scales of their own: every column is
brought to mean 0 and deviation 1. Rows that are divided by their sum would lose them: of
one feature nothing but 1 is left, and a column a thousand times larger hides the others.
"""

from typing import Literal, NamedTuple

import numpy as np

from iclr22 import errors, graph, sparse

Kind = Literal["auto", "rows", "columns", "none"]
KINDS = ("rows", "columns", "none")
ZEROS = 0.5  # share of a bag of words that is 0, at least
EVEN = 20.0  # times the median that the largest column of a bag of words may have


class Scale(NamedTuple):
    """What is done to features `[n, d]` before any model sees them; call it.

    Attributes:
      kind: `rows` are divided by their sum, or `columns` shifted and divided, or `none`.
      shift, spread: `[d]` float64, of the columns; `[0]` for the other kinds. Sparse
        features are not shifted.
    """

    kind: str = "rows"
    shift: np.ndarray = np.zeros(0)
    spread: np.ndarray = np.zeros(0)

    def __call__(self, x):
        """Scaled features, float32; `sparse.Sparse` stays sparse."""
        if self.kind == "rows":
            return graph.normalise_rows(x)
        if isinstance(x, sparse.Sparse):
            values = np.asarray(x.values)
            if self.kind == "columns":
                values = values / self.spread[np.asarray(x.plan.columns)]
            return x._replace(values=values.astype(np.float32))
        if self.kind == "columns":
            x = (np.asarray(x, np.float64) - self.shift) / self.spread
        return np.asarray(x, np.float32)


def kind_of(x) -> str:
    """`rows` for what looks like a bag of words, `columns` for measurements.

    A bag of words has no negative entries, half of them or more are 0, and the others
    are about as large in every column.
    """
    if isinstance(x, sparse.Sparse):
        values, columns = np.asarray(x.values), np.asarray(x.plan.columns)
        columns, values = columns[values != 0], values[values != 0]
    else:
        columns = np.nonzero(x)[1]
        values = x[x != 0]
    size = x.shape[0] * x.shape[1]
    if (values < 0).any() or len(values) > (1 - ZEROS) * size:
        return "columns"
    counts = np.bincount(columns, minlength=x.shape[1])
    levels = np.bincount(columns, values, x.shape[1])[counts > 0] / counts[counts > 0]
    even = not len(levels) or levels.max() <= EVEN * np.median(levels)
    return "rows" if even else "columns"


def scale_of(x, kind: str = "auto") -> Scale:
    """The scale of features `[n, d]`, dense or Sparse.

    Args:
      kind: one of KINDS, or `auto`: what `kind_of` says.

    Raises:
      errors.InputError: another kind.
    """
    if kind not in ("auto", *KINDS):
        raise errors.nearest(kind, ("auto", *KINDS), "scale of features")
    kind = kind_of(x) if kind == "auto" else kind
    if kind != "columns":
        return Scale(kind)
    if isinstance(x, sparse.Sparse):
        values, columns = np.asarray(x.values, np.float64), np.asarray(x.plan.columns)
        shift, square = (
            np.bincount(columns, v, x.shape[1]) / x.shape[0]
            for v in (values, values**2)
        )
        spread = np.sqrt(np.maximum(square - shift**2, 0))
        shift = np.zeros(x.shape[1])
    else:
        shift = np.asarray(np.mean(x, axis=0, dtype=np.float64))
        spread = np.asarray(np.std(x, axis=0, dtype=np.float64))
    # A constant column may have a deviation by rounding.
    constant = spread <= 1e-9 * np.maximum(np.abs(shift), 1e-12)
    return Scale(kind, shift, np.where(constant, 1.0, spread))


SAYS = {
    "rows": "rows are divided by their sum, as of a bag of words",
    "columns": "columns are brought to mean 0 and deviation 1, as measurements",
    "none": "as they are",
}
