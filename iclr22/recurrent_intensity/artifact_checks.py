"""Whether what a file says and holds makes a model: kinds, shapes and ranges of its parts.

What is wrong is a `ValueError` that says what; `bundle.load` names the file.
"""

import jax
import numpy as np

from iclr22.recurrent_intensity import sequence
from iclr22.recurrent_intensity.activity import KINDS, Activity
from iclr22.recurrent_intensity.hawkes import Hawkes
from iclr22.recurrent_intensity.requests import UNITS

LAYERS = 1000  # of a network, at most
LARGEST = float(np.finfo(np.float32).max)


def names(values) -> list[str]:
    """Names of items: texts, each once."""
    found = [x for x in values if isinstance(x, str)]
    _ensure(len(set(found)) == len(values) > 0, "names of items", "different texts")
    return found


def positive(value, what: str) -> float:
    """A finite number above 0."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    _ensure(good and 0 < value < np.inf, what, "a number above 0")
    return float(value)


def flag(value, what: str) -> bool:
    """True or false."""
    _ensure(isinstance(value, bool), what, "true or false")
    return value


def unit(value) -> str:
    """A unit of time."""
    _ensure(isinstance(value, str) and value in UNITS, "time_unit", ", ".join(UNITS))
    return value


def numbers(array, what: str, shape, least=-np.inf, most=np.inf, whole=False):
    """An array of this shape (None: any size) with numbers from least to most."""
    _ensure(isinstance(array, np.ndarray), what, "an array")
    sizes = array.shape
    fits = len(sizes) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, sizes, strict=True)
    )
    _ensure(fits, what, f"shape {list(shape)}, not {list(sizes)}")
    kinds = "iu" if whole else "f"
    _ensure(array.dtype.kind in kinds, what, "whole numbers" if whole else "floats")
    _ensure(not np.isnan(array).any(), what, "numbers, not NaN")
    inside = (array >= least) & (array <= most)
    _ensure(bool(inside.all()), what, f"numbers from {least} to {most}")
    return array


def items(array, count: int):
    """Numbers of items that are scored, each once."""
    found = numbers(array, "items", [None], 0, count - 1, whole=True)
    _ensure(len(np.unique(found)) == len(found) > 0, "items", "each once, at least one")
    return found


def config(fields) -> sequence.Config:
    """The configuration of a network."""
    _ensure(isinstance(fields, dict), "config", "an object")
    found = sequence.Config(**fields)
    for name, value, default in zip(
        found._fields, found, sequence.Config(), strict=True
    ):
        if isinstance(default, str):
            _ensure(value in ("gru", "transformer"), name, "gru or transformer")
        elif isinstance(default, int):
            good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            _ensure(good, name, "a whole number")
        else:
            _ensure(isinstance(value, int | float), name, "a number")
    _ensure(0 < found.layers <= LAYERS, "layers", f"1 to {LAYERS}")
    _ensure(min(found.width, found.length, found.heads) > 0, "sizes", "above 0")
    return found


def parameters(found: sequence.Config, params):
    """Parameters of the network of a configuration: names, shapes, finite numbers."""
    table = params["embedding"]["table"]
    numbers(
        table, "the table", [found.tokens, found.width]
    )  # before sizes are believed
    wanted = jax.eval_shape(
        lambda: sequence.init(found, jax.random.key(0), None).params
    )
    _ensure(
        jax.tree.structure(params) == jax.tree.structure(wanted),
        "parameters",
        "those of the configuration",
    )
    paths = jax.tree_util.tree_leaves_with_path(wanted)
    for (path, leaf), array in zip(paths, jax.tree.leaves(params), strict=True):
        name = jax.tree_util.keystr(path)
        numbers(array, name, list(leaf.shape), -LARGEST, LARGEST)
    return params


def hawkes(about: dict, trees: dict) -> Hawkes:
    """A fitted process or regression."""
    scales = numbers(trees["scales"], "scales", [None], 1e-300, 1e300)
    shape = [2 * len(scales) + 1]
    for name in ("theta", "weights"):
        numbers(trees[name], name, shape, 0, 1e300)
    numbers(trees["ceiling"], "ceiling", shape, 0)
    for name in ("objective", "violation"):
        _ensure(isinstance(about[name], int | float), name, "a number")
    return Hawkes(
        theta=trees["theta"],
        scales=scales,
        horizon=positive(about["horizon"], "horizon of the activity"),
        objective=about["objective"],
        violation=about["violation"],
        weights=trees["weights"],
        ceiling=trees["ceiling"],
        most=float(numbers(np.array(about["most"], float), "most", [], 0)),
    )


def activity(about: dict) -> Activity:
    """An activity without a fit."""
    found = Activity(**about)
    _ensure(found.kind in KINDS, "activity", " or ".join(KINDS))
    return found._replace(horizon=positive(found.horizon, "horizon of the activity"))


def _ensure(good, what: str, expected: str) -> None:
    if not good:
        raise ValueError(f"{what}: expected {expected}")
