"""Splits of a grid of factors into training and test points.

Train and test are flat grid indices; together they are the whole grid, or all points that
are there. What a split holds out are values of its split factors:

* `random`: nothing; a share of all points is drawn.
* `interpolation`: values in between; training has the points without any of them.
* `extrapolation`: the largest values; the same.
* `composition`: no value, but combinations: training has the points with at most one
  factor above its low values; `any_low`, another reading of the paper, those with at least
  one factor at a low value.

Schott et al. (ICLR 2022) publish no index sets; `kept_values.REFERENCE` has this project's.
"""

import math

import numpy as np

from iclr22 import errors
from iclr22.data.factors import FactorImages, Grid
from iclr22.in_domain.kept_values import REFERENCE, Reference, closest

KINDS = ("random", "interpolation", "extrapolation", "composition", "any_low")
SAME = {"at_most_one_high": "composition"}
FRACTION = 0.3  # of the grid, for training


def make_split(
    dataset: str | Grid | FactorImages,
    kind: str,
    *,
    seed: int = 0,
    fraction: float = FRACTION,
) -> tuple[np.ndarray, np.ndarray]:
    """Training and test points, flat grid indices, int64, rising.

    Known grids (`REFERENCE`) have fixed sets; for others, or another fraction, as many
    values of every split factor are kept as come closest to it.

    Args:
      dataset: a known name, a grid, whose ordered factors are split, or images, whose
        `split` factors are and of which only points that are there are taken.
      kind: `random`, `interpolation`, `extrapolation`, `composition` (or
        `at_most_one_high`, the same) or `any_low`.
      seed: of `random`.
      fraction: of the grid that is for training.

    Raises:
      errors.InputError: an unknown name or kind; a grid that cannot be split so; points
        that are missing where the split needs them.
    """
    kind = checked_kind(kind)
    names, sizes, _ = _about(dataset)
    present = dataset.index if isinstance(dataset, FactorImages) else None
    if kind == "random":
        return _drawn(present, math.prod(sizes), seed, fraction)
    inside = _inside(kind, names, sizes, kept_values(dataset, kind, fraction=fraction))
    inside = inside.ravel()
    if present is None:
        return np.flatnonzero(inside), np.flatnonzero(~inside)
    points = np.sort(np.asarray(present, np.int64))
    train, test = points[inside[points]], points[~inside[points]]
    if len(points) < math.prod(sizes):
        _check_present(kind, names, sizes, train, test)
    return train, test


def checked_kind(kind: str) -> str:
    """The kind of split under the name that is used here."""
    kind = SAME.get(kind, kind)
    if kind not in KINDS:
        raise errors.nearest(kind, (*KINDS, *SAME), "split")
    return kind


def kept_values(
    dataset: str | Grid | FactorImages, kind: str, *, fraction: float = FRACTION
) -> dict[str, np.ndarray]:
    """By split factor which of its values training keeps (or are low), bool `[size]`.

    Args:
      dataset, fraction: as of `make_split`.
      kind: any but `random`.

    Raises:
      errors.InputError: as of `make_split`.
    """
    kind = checked_kind(kind)
    names, sizes, chosen = _about(dataset)
    known = _reference(dataset, names, sizes, chosen)
    size = dict(zip(names, sizes, strict=True))
    if known and fraction == FRACTION:
        sets = known.kept[kind]
        return {a: np.isin(np.arange(size[a]), sets[a]) for a in names if a in sets}
    return closest(kind, {a: size[a] for a in chosen}, fraction)


def held_out(grid: Grid | FactorImages, train) -> tuple[np.ndarray, ...]:
    """Of every factor which of its values never occur in training, bool `[size_j]` each.

    Args:
      train: flat grid indices `[n]`.
    """
    grid = grid.grid if isinstance(grid, FactorImages) else grid
    numbers = np.unravel_index(np.asarray(train), grid.sizes)
    return tuple(
        np.bincount(number, minlength=size) == 0
        for number, size in zip(numbers, grid.sizes, strict=True)
    )


def between(
    dataset: str | Grid | FactorImages, kind: str, count: int, seed: int = 0
) -> np.ndarray:
    """Points between those of a grid, drawn where a split's test points are.

    A value between two neighbours counts as kept where training keeps both. So
    `interpolation` gives points with a value in a gap of the training values,
    `extrapolation` with one beyond them, and `random` points anywhere inside the grid.

    Args:
      dataset: with the factors' kinds (a grid or images), or a name that has a renderer.
      kind: of split.
      count: number of points.
      seed: of the drawing.

    Returns:
      Numbers `[count, f]`, float32: whole for factors without an order, else between.
    """
    kind = checked_kind(kind)
    if isinstance(dataset, str):
        dataset = _grid(dataset)
    grid = dataset.grid if isinstance(dataset, FactorImages) else dataset
    kept = {} if kind == "random" else kept_values(dataset, kind)
    random = np.random.default_rng([seed, count])
    found, missing = [], count
    while missing > 0:
        x = np.stack([_values(random, f, 2 * count) for f in grid.factors], axis=1)
        seen = [
            kept[a][np.floor(v).astype(int)] & kept[a][np.ceil(v).astype(int)]
            for a, v in zip(grid.names, x.T, strict=True)
            if a in kept
        ]
        x = x if kind == "random" else x[~_trained(kind, seen)]
        found.append(x[:missing])
        missing -= len(found[-1])
    return np.concatenate(found).astype(np.float32) if found else np.zeros((0, 0))


def _values(random, factor, count):
    if factor.kind == "categorical":
        return random.integers(0, factor.size, count).astype(np.float64)
    return random.uniform(0, factor.size - 1, count)


def _about(dataset) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Names, sizes, and names of the factors that are split by default."""
    if isinstance(dataset, str):
        if dataset not in REFERENCE:
            raise errors.nearest(dataset, REFERENCE, "grid")
        known = REFERENCE[dataset]
        return known.names, known.sizes, tuple(known.kept["extrapolation"])
    if isinstance(dataset, FactorImages):
        return dataset.grid.names, dataset.grid.sizes, dataset.split
    ordered = tuple(
        x.name for x in dataset.factors if x.kind == "ordinal" and x.size > 2
    )
    return dataset.names, dataset.sizes, ordered


def _reference(dataset, names, sizes, chosen) -> Reference | None:
    """The known grid that this is, by name, or by its factors and those that are split."""
    if isinstance(dataset, str):
        return REFERENCE[dataset]
    same = (x for x in REFERENCE.values() if (x.names, x.sizes) == (names, sizes))
    known = next(same, None)
    if known and isinstance(dataset, FactorImages):
        return known if set(chosen) == set(known.kept["extrapolation"]) else None
    return known


def _grid(name) -> Grid:
    from iclr22.data.factors import renderers

    if name not in renderers.RENDERERS:
        raise errors.nearest(name, renderers.RENDERERS, "renderer")
    return renderers.RENDERERS[name].grid


def _trained(kind, kept):
    """Whether points belong to training, of whether their values are kept, by factor."""
    if kind == "any_low":
        return np.any(np.broadcast_arrays(*kept), axis=0)
    if kind == "composition":
        return sum((~x).astype(np.int8) for x in kept) <= 1
    return np.all(np.broadcast_arrays(*kept), axis=0)


def _inside(kind, names, sizes, kept) -> np.ndarray:
    """Which points of the grid belong to training, bool of the shape of the grid."""
    arrays = []
    for axis, name in enumerate(names):
        if name in kept:
            shape = [1] * len(names)
            shape[axis] = sizes[axis]
            arrays.append(kept[name].reshape(shape))
    return np.broadcast_to(_trained(kind, arrays), sizes)


def _drawn(present, count, seed, fraction):
    """A share of the points, drawn, and the others."""
    points = np.arange(count) if present is None else np.sort(np.asarray(present))
    size = round(_checked_fraction(fraction) * len(points))
    if not 0 < size < len(points):
        raise errors.InputError(
            f"expected enough images to take {fraction:g} of them for training; found "
            f"{len(points)}"
        )
    chosen = np.zeros(len(points), bool)
    chosen[np.random.default_rng(seed).permutation(len(points))[:size]] = True
    return points[chosen].astype(np.int64), points[~chosen].astype(np.int64)


def _checked_fraction(fraction):
    if not 0 < fraction < 1:
        raise errors.InputError(
            f"fraction: expected a share between 0 and 1; found {fraction}"
        )
    return fraction


def _check_present(kind, names, sizes, train, test):
    """Raise if what is missing of an incomplete grid takes from training what it needs."""
    if not len(train) or not len(test):
        raise errors.InputError(
            f"{kind}: expected images for training and for test; found {len(train):,} and "
            f"{len(test):,} in this incomplete grid. Choose another split"
        )
    if kind not in ("composition", "any_low"):
        return
    numbers = np.unravel_index(train, sizes)
    for name, number, size in zip(names, numbers, sizes, strict=True):
        if len(missing := np.setdiff1d(np.arange(size), number)):
            raise errors.InputError(
                f"{kind}: expected every value of {name} in training, which has all values "
                f"and not all combinations; found none with value number {missing[0]} in "
                "this incomplete grid. Choose random, interpolation or extrapolation"
            )
